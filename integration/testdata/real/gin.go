package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gin-gonic/gin"
)

type order struct {
	Item   string `json:"item" binding:"required,alpha"`
	Number int    `json:"number" binding:"gte=1,lte=9"`
}

func exercise(ctx context.Context) (string, error) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.Use(gin.Recovery())
	engine.POST("/shops/:shop/orders", func(c *gin.Context) {
		var o order
		if err := c.ShouldBindJSON(&o); err != nil {
			c.JSON(http.StatusBadRequest, gin.H{"error": err.Error()})
			return
		}
		c.JSON(http.StatusOK, gin.H{"shop": c.Param("shop"), "order": o})
	})
	engine.GET("/panic", func(*gin.Context) { panic("recovered") })
	gin.DefaultErrorWriter = new(strings.Builder)
	var all []string
	for _, body := range []string{`{"item":"apple","number":3}`, `{"item":"4","number":10}`, ""} {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/shops/corner/orders", strings.NewReader(body))
		if body == "" {
			r = httptest.NewRequestWithContext(ctx, http.MethodGet, "/panic", nil)
		}
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		all = append(all, fmt.Sprint(w.Code, " ", w.Body))
	}
	return strings.Join(all, "; "), nil
}
