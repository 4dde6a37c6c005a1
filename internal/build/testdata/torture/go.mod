module example.com/torture

go 1.26.0

require github.com/sohost/sohost v0.0.0

replace github.com/sohost/sohost => $ROOT
