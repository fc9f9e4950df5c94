// Command cli is Juju's own client, version 3.6.11, without its cloud providers: commands that talk to a controller need
// none, and the client builds in half the time without them.
package main

import (
	"os"

	"github.com/juju/cmd/v3"
	"github.com/juju/loggo"

	"github.com/juju/juju/cmd/juju/commands"
)

func main() {
	if _, err := loggo.ReplaceDefaultWriter(cmd.NewWarningWriter(os.Stderr)); err != nil {
		panic(err)
	}
	os.Exit(commands.Main(os.Args))
}
