module example.com/segmentioplugin

go 1.26.0

require (
	github.com/segmentio/asm v1.2.1
	github.com/segmentio/encoding v0.5.3
	github.com/sohost/sohost v0.0.0
)

replace github.com/sohost/sohost => $ROOT
