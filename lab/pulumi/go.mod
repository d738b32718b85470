// The Pulumi CLI and its SDK, for machines that reach a Go module proxy but not Pulumi's own
// downloads. scripts/install-pulumi builds the CLI with the versions and hashes in its own go.sum.
module pulumi-cli

go 1.26.6

require (
	github.com/pulumi/pulumi/pkg/v3 v3.274.1
	github.com/pulumi/pulumi/sdk/v3 v3.274.1
)
