package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/control"
)

// TestExpiry prints the status with certificates that expire some time later: those that do so soon are told of, also in the summary.
func TestExpiry(t *testing.T) {
	const day = 24 * time.Hour
	for left, want := range map[time.Duration]string{
		-time.Hour:              "has expired",
		day/24 + time.Minute:    "expires in 1 hour",
		2*day - time.Minute:     "expires in 47 hours",
		3*day + time.Minute:     "expires in 3 days",
		14*day - time.Minute:    "expires in 13 days",
		14*day + 10*time.Minute: "",
	} {
		var out bytes.Buffer
		s := control.Status{Listeners: []control.ListenerStatus{{Name: "https", Certificate: &control.CertificateStatus{File: "c.pem", Until: time.Now().Add(left)}}}}
		if err := printStatus(&out, s, statusFilter{}); err != nil {
			t.Fatal(err)
		}
		summary, rest, _ := strings.Cut(out.String(), "\n")
		if told := strings.Contains(summary, "the certificate of listener https "+want) && strings.Contains(rest, "it "+want+": put the next one into c.pem"); told != (want != "") {
			t.Errorf("%v before its end the status is\n%s", left, &out)
		}
	}
}
