package main

import (
	"errors"
	"sync/atomic"

	"github.com/juju/juju/api"
)

// With -lose METHOD the first reply of the target to a call of MigrationTarget does not arrive: the call was made, and the master is
// told that its connection has ended.

var errLost = errors.New("connection is shut down")

// hasLost says whether the reply was lost already.
var hasLost atomic.Bool

type lossy struct{ api.Connection }

func openLossy(info *api.Info, options api.DialOpts) (api.Connection, error) {
	conn, err := api.Open(info, options)
	if err != nil || *lose == "" {
		return conn, err
	}
	return lossy{conn}, nil
}

func (l lossy) APICall(facade string, version int, id, method string, args, response interface{}) error {
	err := l.Connection.APICall(facade, version, id, method, args, response)
	if err == nil && facade == "MigrationTarget" && method == *lose && hasLost.CompareAndSwap(false, true) {
		say("lost", method)
		return errLost
	}
	return err
}
