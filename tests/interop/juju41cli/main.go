// Command juju41cli is Juju's own client, version 4.1-beta2, for commands that talk to a controller.
package main

import (
	"os"

	"github.com/juju/loggo/v3"

	"github.com/juju/juju/cmd/cmd"
	"github.com/juju/juju/cmd/juju/commands"
)

func main() {
	if _, err := loggo.ReplaceDefaultWriter(cmd.NewWarningWriter(os.Stderr)); err != nil {
		panic(err)
	}
	os.Exit(commands.Main(os.Args))
}
