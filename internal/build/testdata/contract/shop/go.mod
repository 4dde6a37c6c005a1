module example.com/shop

go 1.26.0

require (
	github.com/sohost/sohost v0.0.0
	gopkg.in/yaml.v3 v3.0.1
)

replace github.com/sohost/sohost => $ROOT
