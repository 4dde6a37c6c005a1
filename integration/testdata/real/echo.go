package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

type item struct {
	Name  string  `json:"name" xml:"name" query:"name"`
	Price float64 `json:"price" xml:"price" query:"price"`
}

func exercise(ctx context.Context) (string, error) {
	e := echo.New()
	e.HideBanner = true
	e.Use(middleware.Recover(), middleware.RequestID(), middleware.Gzip())
	e.Logger.SetOutput(new(strings.Builder))
	e.GET("/items/:form", func(c echo.Context) error {
		var i item
		if err := c.Bind(&i); err != nil {
			return err
		}
		switch c.Param("form") {
		case "json":
			return c.JSON(http.StatusOK, i)
		case "xml":
			return c.XML(http.StatusOK, i)
		}
		return echo.NewHTTPError(http.StatusNotFound, "no such form")
	})
	var all []string
	for _, path := range []string{"/items/json?name=pear&price=1.5", "/items/xml?name=pear&price=2", "/items/yaml", "/items/json?price=much"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		all = append(all, fmt.Sprint(w.Code, " ", strings.Join(strings.Fields(w.Body.String()), " ")))
	}
	return strings.Join(all, "; "), nil
}
