module features

go 1.26.0

require (
	example.com/dep v1.0.0
	github.com/sohost/sohost v0.0.0
)

replace (
	example.com/dep => ../dep
	github.com/sohost/sohost => $ROOT
)
