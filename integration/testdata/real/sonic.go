package main

import (
	"context"
	"fmt"

	"github.com/bytedance/sonic"
	"github.com/bytedance/sonic/ast"
)

type order struct {
	Item  string            `json:"item"`
	Price float64           `json:"price"`
	Tags  map[string]string `json:"tags"`
	More  []any             `json:"more"`
}

func exercise(context.Context) (string, error) {
	const text = `{"item":"pear","price":1.25,"tags":{"a":"1"},"more":[1,"two",null,{"x":[true]}]}`
	var o order
	if err := sonic.UnmarshalString(text, &o); err != nil {
		return "", err
	}
	again, err := sonic.ConfigStd.MarshalToString(o)
	if err != nil {
		return "", err
	}
	node, err := sonic.GetFromString(text, "more", 3, "x", 0)
	if err != nil {
		return "", err
	}
	b, err := node.Bool()
	if err != nil || node.TypeSafe() != ast.V_TRUE {
		return "", fmt.Errorf("got %v of type %d, %v", b, node.TypeSafe(), err)
	}
	err = sonic.UnmarshalString(`{"price":"much"}`, &o)
	return fmt.Sprint(again, " ", again == text, " ", b, " ", err != nil), nil
}
