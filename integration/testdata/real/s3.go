package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// exercise asks a server of its own, which has one object.
func exercise(ctx context.Context) (string, error) {
	server := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256"):
			http.Error(w, "unsigned", http.StatusForbidden)
		case r.URL.Path == "/shop/pear":
			w.Header().Set("Content-Length", "4")
			io.WriteString(w, "1.50")
		default:
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, "<Error><Code>NoSuchKey</Code><Message>no such fruit</Message></Error>")
		}
	})
	client := s3.New(s3.Options{
		Region: "nowhere", BaseEndpoint: aws.String("http://127.0.0.1:9"), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:  local{server},
	})
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("shop"), Key: aws.String("pear")})
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		return "", err
	}
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("shop"), Key: aws.String("plum")})
	return fmt.Sprintf("%s; %t", b, strings.Contains(fmt.Sprint(err), "no such fruit")), nil
}

// local sends requests to a handler.
type local struct{ http.Handler }

func (l local) Do(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	return w.Result(), nil
}
