package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"
)

// orderHeader is a header that every order must have. A page of another site can't set it without being asked about, and
// nobody answers that question.
const orderHeader = "Sohost-Console"

// access decides who may ask. Without a token it is whoever the control socket would answer, by the same rule.
type access struct{ token string }

// sameSite refuses what pages of other sites ask for. Without a token the server must have been called by a name that only this
// machine has: a site that gives its own name this machine's address (DNS rebinding) is the same site for the browser.
func (a *access) sameSite(next http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.token == "" && !isLoopback(hostOf(r.Host)):
			refuse(w, http.StatusMisdirectedRequest, "misdirected", fmt.Sprintf(
				"this console is not called %s; open it as localhost, or set console_token_file", r.Host))
		case r.Method == http.MethodPost && r.Header.Get(orderHeader) == "":
			refuse(w, http.StatusForbidden, "forbidden", "an order needs the header "+orderHeader)
		default:
			next.ServeHTTP(w, r)
		}
	}))
}

// admitted passes on the requests of those who may ask. To take the answer they may take their time.
func (a *access) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.token != "" {
			if !a.knowsToken(r) {
				refuse(w, http.StatusUnauthorized, "unauthorized", "log in with the token in the server's console_token_file")
				return
			}
		} else if uid, err := peerOf(r); err != nil {
			refuse(w, http.StatusForbidden, "forbidden", fmt.Sprintf("who asks isn't known (%v); set console_token_file", err))
			return
		} else if uid != 0 && uid != os.Getuid() {
			refuse(w, http.StatusForbidden, "forbidden", fmt.Sprintf("user %d may not control this server, which runs as user %d; "+
				"set console_token_file to let in those who know a token", uid, os.Getuid()))
			return
		}
		http.NewResponseController(w).SetWriteDeadline(time.Time{}) // fails only for a connection that has none
		next.ServeHTTP(w, r)
	})
}

// knowsToken reports whether a request comes with the token, or with the cookie that login gives.
func (a *access) knowsToken(r *http.Request) bool {
	if token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); is {
		return same(token, a.token)
	}
	c, err := r.Cookie(cookieName(r))
	return err == nil && same(c.Value, a.ticket())
}

// ticket is the cookie of those who know the token. It says nothing of the token, and is worth nothing once that is another.
func (a *access) ticket() string {
	mac := hmac.New(sha256.New, []byte(a.token))
	mac.Write([]byte("console"))
	return hex.EncodeToString(mac.Sum(nil))
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cookieName tells the consoles of one machine apart: browsers send a cookie to every port.
func cookieName(r *http.Request) string {
	_, port, _ := net.SplitHostPort(r.Host)
	return "sohost_console_" + port
}

func (a *access) login(w http.ResponseWriter, r *http.Request) {
	var given struct{ Token string }
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&given)
	if err != nil || a.token == "" || !same(given.Token, a.token) {
		refuse(w, http.StatusUnauthorized, "unauthorized", "that is not the token in the server's console_token_file")
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: a.ticket(), Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.Header.Get("X-Forwarded-Proto") == "https",
	})
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers in the form of a control.Failure.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"code": code, "error": message}) // fails only when the peer is gone
}

// hostOf returns the host of an address that may have a port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return strings.Trim(address, "[]")
}

// isLoopback reports whether a host is this machine, for sure and to nobody else.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}
