package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/juju/errors"

	"github.com/juju/juju/cloud"
	"github.com/juju/juju/controller"
	corecredential "github.com/juju/juju/core/credential"
	coredatabase "github.com/juju/juju/core/database"
	"github.com/juju/juju/core/flags"
	coremodel "github.com/juju/juju/core/model"
	"github.com/juju/juju/core/network"
	coreobjectstore "github.com/juju/juju/core/objectstore"
	"github.com/juju/juju/core/permission"
	coreuser "github.com/juju/juju/core/user"
	jujuversion "github.com/juju/juju/core/version"
	accessbootstrap "github.com/juju/juju/domain/access/bootstrap"
	accessservice "github.com/juju/juju/domain/access/service"
	cloudbootstrap "github.com/juju/juju/domain/cloud/bootstrap"
	cloudstate "github.com/juju/juju/domain/cloud/state"
	controllerbootstrap "github.com/juju/juju/domain/controller/bootstrap"
	controllerconfigbootstrap "github.com/juju/juju/domain/controllerconfig/bootstrap"
	"github.com/juju/juju/domain/controllernode"
	credentialbootstrap "github.com/juju/juju/domain/credential/bootstrap"
	modeldomain "github.com/juju/juju/domain/model"
	modelbootstrap "github.com/juju/juju/domain/model/bootstrap"
	modelconfigbootstrap "github.com/juju/juju/domain/modelconfig/bootstrap"
	modeldefaultsbootstrap "github.com/juju/juju/domain/modeldefaults/bootstrap"
	secretbackendbootstrap "github.com/juju/juju/domain/secretbackend/bootstrap"
	"github.com/juju/juju/internal/auth"
	"github.com/juju/juju/internal/database"
	"github.com/juju/juju/internal/pki"
	"github.com/juju/juju/internal/services"
	"github.com/juju/juju/internal/uuid"
)

func jujuVersion() string { return jujuversion.Current.String() }

// state is what is kept between runs: identity and keys.
type state struct {
	ControllerUUID      string `json:"controller-uuid"`
	ControllerModelUUID string `json:"controller-model-uuid"`
	CACert              string `json:"ca-cert"`
	CAKey               string `json:"ca-key"`
	Cert                string `json:"cert"`
	Key                 string `json:"key"`
}

func loadState(dir string) (*state, bool, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err == nil {
		var st state
		return &st, false, errors.Trace(json.Unmarshal(raw, &st))
	}
	if !os.IsNotExist(err) {
		return nil, false, errors.Trace(err)
	}
	st := &state{ControllerUUID: uuid.MustNewUUID().String(), ControllerModelUUID: uuid.MustNewUUID().String()}
	signer, err := pki.DefaultKeyProfile()
	if err != nil {
		return nil, false, errors.Trace(err)
	}
	ca, err := pki.NewCA("test CA of "+*name, signer)
	if err != nil {
		return nil, false, errors.Trace(err)
	}
	authority, err := pki.NewDefaultAuthority(ca, signer)
	if err != nil {
		return nil, false, errors.Trace(err)
	}
	leaf, err := authority.LeafRequestForGroup(pki.DefaultLeafGroup).
		AddDNSNames("localhost", "juju-apiserver").
		AddIPAddresses(net.IPv4(127, 0, 0, 1), net.IPv6loopback).Commit()
	if err != nil {
		return nil, false, errors.Trace(err)
	}
	st.CACert, err = pki.CertificateToPemString(map[string]string{}, ca)
	if err != nil {
		return nil, false, errors.Trace(err)
	}
	if st.CAKey, err = keyPEM(signer); err != nil {
		return nil, false, errors.Trace(err)
	}
	cert, key, err := leaf.ToPemParts()
	if err != nil {
		return nil, false, errors.Trace(err)
	}
	st.Cert, st.Key = string(cert), string(key)
	return st, true, nil
}

func keyPEM(signer crypto.Signer) (string, error) {
	return pki.SignerToPemString(signer)
}

func (s *state) save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return errors.Trace(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(s.CACert), 0o644); err != nil {
		return errors.Trace(err)
	}
	raw, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return errors.Trace(err)
	}
	return errors.Trace(os.WriteFile(filepath.Join(dir, "state.json"), raw, 0o600))
}

func (s *state) serverCert() (tls.Certificate, error) {
	return tls.X509KeyPair([]byte(s.Cert), []byte(s.Key))
}

// bootstrap fills an empty controller database the way "juju bootstrap" does,
// with Juju's own bootstrap operations.
func bootstrap(ctx context.Context, dbs *databases, st *state, port int) error {
	ctrl, err := dbs.GetDB(ctx, coredatabase.ControllerNS)
	if err != nil {
		return errors.Trace(err)
	}
	model, err := dbs.GetDB(ctx, st.ControllerModelUUID)
	if err != nil {
		return errors.Trace(err)
	}
	if err := database.InsertControllerNodeID(ctx, ctrl, 1); err != nil {
		return errors.Trace(err)
	}
	if err := cloudstate.AllowCloudType(ctx, ctrl, 99, "dummy"); err != nil {
		return errors.Trace(err)
	}

	attributes := map[string]any{
		"controller-name":   *name,
		"api-port":          port,
		"auditing-enabled":  false,
		"object-store-type": string(coreobjectstore.FileBackend),
	}
	if *rateLimit != "" {
		most, rate, ok := strings.Cut(*rateLimit, ":")
		if !ok {
			return errors.NotValidf("-agent-ratelimit %q", *rateLimit)
		}
		count, err := strconv.Atoi(most)
		if err != nil {
			return errors.Trace(err)
		}
		attributes["agent-ratelimit-max"], attributes["agent-ratelimit-rate"] = count, rate
	}
	cfg, err := controller.NewConfig(st.ControllerUUID, st.CACert, attributes)
	if err != nil {
		return errors.Trace(err)
	}
	ctlModel := coremodel.UUID(st.ControllerModelUUID)
	ctlUUID, err := uuid.UUIDFromString(st.ControllerUUID)
	if err != nil {
		return errors.Trace(err)
	}
	adminUUID, addAdmin := accessbootstrap.AddUserWithPassword(coreuser.AdminUserName,
		auth.NewPassword(*password), permission.AccessSpec{
			Access: permission.SuperuserAccess,
			Target: permission.ID{ObjectType: permission.Controller, Key: st.ControllerUUID},
		}, time.Now().UTC())
	authTypes := cloud.AuthTypes{cloud.EmptyAuthType, cloud.AccessKeyAuthType, cloud.UserPassAuthType,
		cloud.CertificateAuthType, cloud.OAuth2AuthType, cloud.ClientCertificateAuthType}
	credential := corecredential.Key{Cloud: "dummy", Name: "default", Owner: coreuser.AdminUserName}

	ops := []database.BootstrapOpt{
		controllerconfigbootstrap.InsertInitialControllerConfig(cfg, ctlModel),
		controllerbootstrap.InsertInitialController(st.Cert, st.Key, st.CAKey, "identity"),
		addAdmin,
		cloudbootstrap.InsertCloud(coreuser.AdminUserName, cloud.Cloud{Name: "dummy", Type: "dummy",
			AuthTypes: authTypes, Regions: []cloud.Region{{Name: "dummy-region"}}}),
		credentialbootstrap.InsertCredential(credential, cloud.NewCredential(cloud.UserPassAuthType,
			map[string]string{"username": "dummy", "password": "secret"})),
		secretbackendbootstrap.CreateDefaultBackends(coremodel.IAAS),
		modelbootstrap.CreateGlobalModelRecord(ctlModel, modeldomain.GlobalModelCreationArgs{
			Cloud: "dummy", CloudRegion: "dummy-region", Credential: credential,
			Name: coremodel.ControllerModelName, Qualifier: "admin", AdminUsers: []coreuser.UUID{adminUUID}}),
		modelbootstrap.CreateLocalModelRecord(ctlModel, ctlUUID, jujuversion.Current),
		modelconfigbootstrap.SetModelConfig(ctlModel, nil,
			modeldefaultsbootstrap.ModelDefaultsProvider(nil, nil, "dummy")),
	}
	for _, spec := range cloudFlags {
		parts := strings.SplitN(spec, ":", 3)
		if len(parts) != 3 {
			return errors.NotValidf("-cloud %q", spec)
		}
		types := authTypes
		ops = append(ops, cloudbootstrap.InsertCloud(coreuser.AdminUserName, cloud.Cloud{
			Name: parts[0], Type: parts[1], AuthTypes: types, Endpoint: "https://cloud.invalid",
			CACertificates: []string{st.CACert}, // without one ModelInfo of a k8s model fails
			Regions:        []cloud.Region{{Name: parts[2], Endpoint: "https://cloud.invalid"}}}))
	}
	for i, op := range ops {
		if err := op(ctx, ctrl, model); err != nil {
			return errors.Annotatef(err, "step %d", i)
		}
	}
	return nil
}

// afterBootstrap does what a started controller does next, through the real
// services.
func afterBootstrap(ctx context.Context, ctl services.DomainServices, st *state, fresh bool, port int) error {
	addressType := network.IPv4Address
	if net.ParseIP(*address) == nil {
		addressType = network.HostName
	}
	err := ctl.ControllerNode().SetAPIAddresses(ctx, controllernode.SetAPIAddressArgs{
		APIAddresses: map[string]network.SpaceHostPorts{"0": {{
			SpaceAddress: network.SpaceAddress{MachineAddress: network.MachineAddress{
				Value: *address, Type: addressType, Scope: network.ScopeCloudLocal}},
			NetPort: network.NetPort(port)}}},
	})
	if err != nil {
		return errors.Annotate(err, "api addresses")
	}
	if !fresh {
		return nil
	}
	if err := ctl.Macaroon().InitialiseBakeryConfig(ctx); err != nil {
		return errors.Annotate(err, "bakery")
	}
	admin, err := ctl.Access().GetUserByName(ctx, coreuser.AdminUserName)
	if err != nil {
		return errors.Trace(err)
	}
	// The creator of all external users.
	if err := ctl.Access().AddExternalUser(ctx, permission.EveryoneUserName, "", admin.UUID); err != nil {
		return errors.Annotate(err, "everyone@external")
	}
	if err := seedAgentBinary(ctx, ctl.ControllerAgentBinaryStore(), jujuversion.Current); err != nil {
		return errors.Annotate(err, "agent binary")
	}
	if err := ctl.Flag().SetFlag(ctx, flags.BootstrapFlag, true, flags.BootstrapFlagDescription); err != nil {
		return errors.Trace(err)
	}
	for _, spec := range userFlags {
		user, pass, ok := strings.Cut(spec, ":")
		if !ok {
			return errors.NotValidf("-user %q", spec)
		}
		uname, err := coreuser.NewName(user)
		if err != nil {
			return errors.Trace(err)
		}
		pw := auth.NewPassword(pass)
		if _, _, err := ctl.Access().AddUser(ctx, accessservice.AddUserArg{
			Name: uname, DisplayName: user, CreatorUUID: admin.UUID, Password: &pw,
			Permission: permission.AccessSpec{Access: permission.LoginAccess,
				Target: permission.ID{ObjectType: permission.Controller, Key: st.ControllerUUID}},
		}); err != nil {
			return errors.Annotatef(err, "user %q", user)
		}
	}
	return nil
}
