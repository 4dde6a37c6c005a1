module example.com/flat

go 1.26.0

require (
	example.com/pricing v0.0.0
	github.com/sohost/sohost v0.0.0
)

require github.com/google/uuid v1.6.0 // indirect

replace (
	example.com/pricing => ../pricing
	github.com/sohost/sohost => ../../../..
)
