package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/viper"
)

type settings struct {
	Listen  string
	Timeout time.Duration
	Shops   []struct{ Name string }
}

func exercise(context.Context) (string, error) {
	text := ""
	for format, config := range map[string]string{
		"yaml": "listen: :80\ntimeout: 3s\nshops:\n- name: corner\n- name: market\n",
		"json": `{"listen": ":80", "timeout": "3s", "shops": [{"name": "corner"}, {"name": "market"}]}`,
		"toml": "listen = ':80'\ntimeout = '3s'\n[[shops]]\nname = 'corner'\n[[shops]]\nname = 'market'\n",
	} {
		v := viper.New()
		v.SetConfigType(format)
		v.SetDefault("level", "info")
		if err := v.ReadConfig(strings.NewReader(config)); err != nil {
			return "", err
		}
		var s settings
		if err := v.Unmarshal(&s); err != nil {
			return "", err
		}
		text = fmt.Sprint(s, " ", v.GetString("level"))
	}
	return text, nil
}
