package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/encoding/json"
	"github.com/segmentio/encoding/proto"
)

type order struct {
	Item  string            `json:"item" protobuf:"bytes,1,opt,name=item"`
	Price int64             `json:"price" protobuf:"varint,2,opt,name=price"`
	Tags  map[string]string `json:"tags,omitempty"`
	Since time.Time         `json:"since"`
	Any   any               `json:"any"`
}

func exercise(context.Context) (string, error) {
	var o order
	if err := json.Unmarshal([]byte(`{"item":"pear","price":3,"tags":{"b":"2","a":"1"},"since":"2024-02-29T12:30:00Z","any":[1,"two",null]}`), &o); err != nil {
		return "", err
	}
	text, err := json.Append(nil, o, json.SortMapKeys)
	if err != nil {
		return "", err
	}
	err = json.Unmarshal([]byte(`{"price":"much"}`), &o)
	binary, perr := proto.Marshal(struct {
		Item  string `protobuf:"bytes,1,opt,name=item"`
		Price int64  `protobuf:"varint,2,opt,name=price"`
	}{"pear", 3})
	return fmt.Sprintf("%s; %v; %x", text, err, binary), perr
}
