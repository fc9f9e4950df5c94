// Command wiretap stands between a real client and a controller-like server
// and holds every RPC message against Juju 3.6's own Go types.
//
//	wiretap -listen 127.0.0.1:17600 -upstream 127.0.0.1:17443 -ca ca.pem -ca-key ca.key
//
// Clients trust it as they trust the server: it makes itself a certificate of the server's CA.
//
// For each facade, version and method that Juju registers, parameters and
// replies are decoded into Juju's types.  Findings are: keys that Juju does not
// know, values that it cannot decode, keys that Juju's own encoder always sends
// but that are absent, replies without "response" or with an empty "error".
// Everything else (uploads, log streams) is passed through.
//
//	GET /_tap/report    {"checked": n, "findings": {"ModelManager(10).ModelInfo reply": ["missing results[0].result.sla", …]}}
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/juju/rpcreflect"

	"github.com/juju/juju/apiserver"
	"github.com/juju/juju/apiserver/facade"
	"github.com/juju/juju/rpc/params"
)

var (
	listen   = flag.String("listen", "127.0.0.1:17600", "address")
	upstream = flag.String("upstream", "127.0.0.1:17443", "server under test")
	caFile   = flag.String("ca", "ca.pem", "its CA's certificate")
	keyFile  = flag.String("ca-key", "ca.key", "its CA's key")
)

type admin struct{}

func (admin) Login(params.LoginRequest) (params.LoginResult, error) { panic("unused") }
func (admin) RedirectInfo() (params.RedirectInfoResult, error)      { panic("unused") }

type tap struct {
	mu       sync.Mutex
	registry *facade.Registry
	checked  int
	findings map[string]map[string]bool
}

func (t *tap) found(where, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.findings[where] == nil {
		t.findings[where] = map[string]bool{}
	}
	t.findings[where][what] = true
}

func (t *tap) method(facade string, version int, name string) (rpcreflect.ObjMethod, bool) {
	goType := reflect.TypeOf(admin{})
	if facade != "Admin" {
		var err error
		if goType, err = t.registry.GetType(facade, version); err != nil {
			return rpcreflect.ObjMethod{}, false
		}
	} else if version != 3 {
		return rpcreflect.ObjMethod{}, false
	}
	m, err := rpcreflect.ObjTypeOf(goType).Method(name)
	return m, err == nil
}

// check holds one JSON value against a type of Juju's.
func (t *tap) check(where string, raw json.RawMessage, typ reflect.Type) {
	t.mu.Lock()
	t.checked++
	t.mu.Unlock()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(reflect.New(typ).Interface()); err != nil {
		t.found(where, strings.TrimPrefix(err.Error(), "json: "))
	}
	v := reflect.New(typ)
	if json.Unmarshal(raw, v.Interface()) != nil {
		return
	}
	again, err := json.Marshal(v.Interface())
	if err != nil {
		return
	}
	var got, want interface{}
	if json.Unmarshal(raw, &got) == nil && json.Unmarshal(again, &want) == nil {
		t.missing(where, "", want, got)
	}
}

func (t *tap) missing(where, path string, want, got interface{}) {
	switch want := want.(type) {
	case map[string]interface{}:
		have, ok := got.(map[string]interface{})
		if !ok {
			return
		}
		fold := map[string]interface{}{}
		for k, v := range have {
			fold[strings.ToLower(k)] = v
		}
		for k, v := range want {
			if g, ok := fold[strings.ToLower(k)]; ok {
				t.missing(where, path+"."+k, v, g)
			} else {
				t.found(where, "missing "+strings.TrimPrefix(path+"."+k, "."))
			}
		}
	case []interface{}:
		have, _ := got.([]interface{})
		for i := range want {
			if i < len(have) {
				t.missing(where, path+"[]", want[i], have[i])
			}
		}
	}
}

type message struct {
	RequestId uint64          `json:"request-id"`
	Type      string          `json:"type"`
	Version   int             `json:"version"`
	Request   string          `json:"request"`
	Params    json.RawMessage `json:"params"`
	Response  json.RawMessage `json:"response"`
	Error     json.RawMessage `json:"error"`
	ErrorCode string          `json:"error-code"`
}

// conversation pairs the replies of one connection with its requests.
type conversation struct {
	*tap
	mu   sync.Mutex
	asks map[uint64]message
}

func (c *conversation) see(raw []byte) {
	var m message
	if err := json.Unmarshal(raw, &m); err != nil {
		c.found("message", err.Error())
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if m.Type != "" || m.Request != "" {
		c.asks[m.RequestId] = m
		name := fmt.Sprintf("%s(%d).%s", m.Type, m.Version, m.Request)
		how, ok := c.method(m.Type, m.Version, m.Request)
		if !ok {
			c.found(name+" request", "not in Juju "+"3.6")
		} else if how.Params != nil && len(m.Params) > 0 {
			c.check(name+" request", m.Params, how.Params)
		}
		return
	}
	q, ok := c.asks[m.RequestId]
	if !ok {
		c.found("reply", "to no request")
		return
	}
	delete(c.asks, m.RequestId)
	name := fmt.Sprintf("%s(%d).%s reply", q.Type, q.Version, q.Request)
	if len(m.Error) > 0 {
		var text string
		if json.Unmarshal(m.Error, &text) != nil || text == "" {
			c.found(name, "an empty or null error")
		}
		return
	}
	if len(m.Response) == 0 {
		c.found(name, "no response")
		return
	}
	if how, ok := c.method(q.Type, q.Version, q.Request); ok && how.Result != nil {
		c.check(name, m.Response, how.Result)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// issue makes a leaf with the names of every controller.
func issue(ca tls.Certificate, authority *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "juju-server"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"juju-apiserver", "localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority, &key.PublicKey, ca.PrivateKey)
	return tls.Certificate{Certificate: [][]byte{der, ca.Certificate[0]}, PrivateKey: key}, err
}

func main() {
	flag.Parse()
	t := &tap{registry: apiserver.AllFacades(), findings: map[string]map[string]bool{}}
	ca, err := tls.LoadX509KeyPair(*caFile, *keyFile)
	must(err)
	authority, err := x509.ParseCertificate(ca.Certificate[0])
	must(err)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	cert, err := issue(ca, authority)
	must(err)
	out := &tls.Config{RootCAs: pool, ServerName: "juju-apiserver"}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "https", Host: *upstream})
	proxy.Transport = &http.Transport{TLSClientConfig: out}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	dialer := websocket.Dialer{TLSClientConfig: out}

	serve := func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/_tap/report" {
			t.mu.Lock()
			defer t.mu.Unlock()
			f := map[string][]string{}
			for k, v := range t.findings {
				for s := range v {
					f[k] = append(f[k], s)
				}
				sort.Strings(f[k])
			}
			_ = json.NewEncoder(w).Encode(map[string]interface{}{"checked": t.checked, "findings": f})
			return
		}
		if !websocket.IsWebSocketUpgrade(req) {
			proxy.ServeHTTP(w, req)
			return
		}
		h := http.Header{}
		for k, v := range req.Header {
			if !strings.HasPrefix(k, "Sec-Websocket-") && k != "Upgrade" && k != "Connection" {
				h[k] = v
			}
		}
		up, resp, err := dialer.Dial("wss://"+*upstream+req.URL.RequestURI(), h)
		if err != nil {
			code := http.StatusBadGateway
			if resp != nil {
				code = resp.StatusCode
			}
			http.Error(w, err.Error(), code)
			return
		}
		defer up.Close()
		down, err := upgrader.Upgrade(w, req, nil)
		if err != nil {
			return
		}
		defer down.Close()
		c := &conversation{tap: t, asks: map[uint64]message{}}
		rpc := strings.HasSuffix(req.URL.Path, "/api") || req.URL.Path == "/"
		pump := func(from, to *websocket.Conn) {
			for {
				kind, raw, err := from.ReadMessage()
				if err != nil {
					code := websocket.CloseNormalClosure
					if e, ok := err.(*websocket.CloseError); ok && e.Code != websocket.CloseAbnormalClosure && e.Code != websocket.CloseNoStatusReceived {
						code = e.Code
					}
					_ = to.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(code, ""))
					return
				}
				if rpc && kind == websocket.TextMessage {
					c.see(raw)
				}
				if to.WriteMessage(kind, raw) != nil {
					return
				}
			}
		}
		done := make(chan struct{}, 2)
		go func() { pump(down, up); done <- struct{}{} }()
		go func() { pump(up, down); done <- struct{}{} }()
		<-done
	}
	srv := &http.Server{Addr: *listen, Handler: http.HandlerFunc(serve),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
			NextProtos: []string{"http/1.1"}}}
	fmt.Printf("wiretap on %s before %s\n", *listen, *upstream)
	must(srv.ListenAndServeTLS("", ""))
}
