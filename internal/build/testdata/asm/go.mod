module asmplugin

go 1.26.0

require (
	github.com/cespare/xxhash/v2 v2.3.0
	github.com/sohost/sohost v0.0.0
)

replace (
	github.com/cespare/xxhash/v2 => github.com/cespare/xxhash/v2 v2.2.0 // sohost itself requires a later one
	github.com/sohost/sohost => $ROOT
)
