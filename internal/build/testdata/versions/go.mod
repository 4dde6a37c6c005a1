module example.com/app

go 1.26.0

require (
	example.com/lib v0.0.0
	github.com/sohost/sohost v1.2.3
	gopkg.in/yaml.v3 v3.0.1
)

replace (
	example.com/lib => ./lib
	github.com/sohost/sohost => $ROOT
	gopkg.in/yaml.v3 => gopkg.in/yaml.v3 v3.0.0 // sohost itself requires a later one
)
