module example.com/embedder

go 1.26.0

require github.com/sohost/sohost v0.0.0
