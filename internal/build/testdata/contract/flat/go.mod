module example.com/flat

go 1.26.0

require (
	example.com/shop v0.0.0
	github.com/sohost/sohost v1.2.3
)

require gopkg.in/yaml.v3 v3.0.1 // indirect

replace (
	example.com/shop => ../shop
	github.com/sohost/sohost => $ROOT
)
