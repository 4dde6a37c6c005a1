module example.com/pricing

go 1.26.0

require (
	github.com/google/uuid v1.6.0
	github.com/sohost/sohost v0.0.0
)

require (
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/google/renameio/v2 v2.0.2 // indirect
	github.com/netresearch/go-cron v0.9.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/sohost/sohost => ../../../..
