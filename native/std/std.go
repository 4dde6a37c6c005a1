// Package std keeps the exported API of the packages of the standard library that plugins use most in every program that imports it.
// The linker leaves out of a program what that doesn't use itself, and a slim image has to bring a package along of which something is
// missing. With one blank import a program has what most plugins need:
//
//	import _ "github.com/sohost/sohost/native/std"
//
// Nothing of it ever runs but the init functions of the packages. Packages are left out whose init functions take names in registries
// of the process (expvar, net/http/pprof, image/png), and those that only tools use (go/..., testing).
package std

//go:generate go run github.com/sohost/sohost/scripts/keep std.go api.go

// What at least one of these imports, itself or by what it imports: gin, echo, the Prometheus client, pgx, the grpc client, otel, wazero,
// mattn/go-sqlite3, segmentio/encoding, sonic, viper. Then, what plugins use by themselves.
//
//keep:bufio bytes cmp compress/flate compress/gzip compress/zlib container/list context crypto crypto/aes crypto/cipher
//keep:crypto/des crypto/dsa crypto/ecdh crypto/ecdsa crypto/ed25519 crypto/elliptic crypto/fips140 crypto/hkdf crypto/hmac crypto/hpke
//keep:crypto/md5 crypto/mlkem crypto/pbkdf2 crypto/rand crypto/rc4 crypto/rsa crypto/sha1 crypto/sha256 crypto/sha3 crypto/sha512
//keep:crypto/subtle crypto/tls crypto/x509 crypto/x509/pkix database/sql database/sql/driver embed encoding encoding/asn1
//keep:encoding/base32 encoding/base64 encoding/binary encoding/csv encoding/gob encoding/hex encoding/json encoding/pem encoding/xml
//keep:errors flag fmt hash hash/adler32 hash/crc32 hash/fnv html html/template io io/fs io/ioutil iter log log/slog maps math math/big
//keep:math/bits math/rand math/rand/v2 mime mime/multipart mime/quotedprintable net net/http net/http/httptrace net/http/httputil
//keep:net/mail net/netip net/textproto net/url os os/exec os/user path path/filepath reflect regexp regexp/syntax runtime
//keep:runtime/debug runtime/metrics runtime/pprof runtime/trace slices sort strconv strings sync sync/atomic syscall text/tabwriter
//keep:text/template text/template/parse time unicode unicode/utf16 unicode/utf8 unique weak
//
//keep:archive/tar archive/zip container/heap container/ring encoding/ascii85 hash/crc64 hash/maphash net/http/cookiejar net/http/httptest
//keep:net/rpc net/smtp os/signal text/scanner

func init() { hold(keepAPI) }

// hold keeps what it gets from being left out: the compiler can't know that nothing is done with it.
//
//go:noinline
func hold(any) {}
