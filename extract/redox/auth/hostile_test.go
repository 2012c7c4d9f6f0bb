package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// What strangers and broken senders try with tokens and keys, by the numbers of the table that the project keeps of it.
func TestHostileTokensAndKeysAreJudgedAsTheTableSays(t *testing.T) {
	for _, row := range []struct {
		name string
		test func(*testing.T)
	}{
		{"T1 no signature, or another number of parts", t1NoSignature},
		{"T2 a public key taken for a shared secret", t2Confusion},
		{"T3 kid that is missing, unknown, or means to do harm", t3Kid},
		{"T4 headers that bring or point at keys, crit and b64", t4Headers},
		{"T5 another issuer, audience or subject", t5Names},
		{"T6 times", t6Times},
		{"T7 an assertion that comes twice", t7Replay},
		{"T8 signatures that are none, and keys that are weak", t8Signatures},
		{"T9 key sets that cannot be used", t9KeySets},
		{"T10 answers about tokens that are none", t10Answers},
		{"T11 refusals of who is asked", t11Refusals},
		{"T12 a token that ends while pushes go on", t12Ends},
		{"T13 many pushes with one token at once", t13Flight},
		{"T14 redirects of who is asked", t14Redirects},
		{"T15 key files", t15Files},
		{"T16 AWS signatures", t16Signatures},
	} {
		t.Run(row.name, row.test)
	}
}

// usual are claims that are let in by jwtGate.
func usual() map[string]any {
	return map[string]any{
		"iss": "https://issuer.example.org", "aud": "https://etl.example.org/redox/hospital-7f3c", "sub": "redox",
		"iat": noon.Unix(), "exp": noon.Add(10 * time.Minute).Unix(),
	}
}

// jwtGate lets JWTs in that are signed with one of these keys: kid and key in turn.
func jwtGate(t *testing.T, keys ...any) *Gate {
	t.Helper()
	return newGate(t, Config{PublicURL: "https://etl.example.org", Path: "/redox/hospital-7f3c", Options: Options{
		Strategy: strategyBearer, Issuer: "https://issuer.example.org", Subject: "redox", JWKSFile: keyFile(t, jwkSet(keys...)),
	}})
}

// compact joins a header, a payload and a signature of any kind.
func compact(header string, payload any, mac []byte) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(header)) + "." + enc(must(json.Marshal(payload))) + "." + enc(mac)
}

// judge sees that a gate answers a token as it must.
func judge(t *testing.T, g *Gate, name, token string, want int) {
	t.Helper()
	err := g.Check(t.Context(), bearing(token))
	if got := status(t, err); got != want {
		t.Errorf("%s: %d (%v), want %d", name, got, err, want)
	}
	if err != nil && len(token) > 20 && strings.Contains(fmt.Sprintf("%+v", err), token[:20]) {
		t.Errorf("%s: the refusal holds the token", name)
	}
}

func t1NoSignature(t *testing.T) {
	g := jwtGate(t, "a", rsaKey().Public())
	good := sign(t, jose.RS256, "a", rsaKey(), usual())
	judge(t, g, "good", good, 200)
	for _, none := range []string{"none", "None", "NONE", "nOnE", "noNe", "nonE", "none ", "\\u006eone"} {
		head := `{"alg":"` + none + `","kid":"a"}`
		judge(t, g, none, compact(head, usual(), nil), 401)
		judge(t, g, none+" with a signature", compact(head, usual(), []byte("x")), 401)
	}
	parts := strings.Split(good, ".")
	judge(t, g, "empty signature", parts[0]+"."+parts[1]+".", 401)
	judge(t, g, "two parts", parts[0]+"."+parts[1], 401)
	judge(t, g, "four parts", good+"."+parts[2], 401)
	judge(t, g, "alg missing", compact(`{"kid":"a"}`, usual(), []byte("x")), 401)
	judge(t, g, "alg twice", compact(`{"alg":"RS256","alg":"none","kid":"a"}`, usual(), []byte("x")), 401)
	judge(t, g, "as JSON", `{"payload":"`+parts[1]+`","protected":"`+parts[0]+`","signature":"`+parts[2]+`"}`, 401)
	judge(t, g, "line break inside", parts[0][:4]+"\n"+parts[0][4:]+"."+parts[1]+"."+parts[2], 401)
	judge(t, g, "padded", good+"=", 401)
	if err := g.Check(t.Context(), bearing(parts[0]+"."+strings.Repeat("A", 1<<20)+"."+parts[2])); err == nil || err.Error() != "token is too long" {
		t.Errorf("of 1 MB: %v", err)
	}
	twice := bearing(good)
	twice.Header.Add("Authorization", "Bearer x")
	if got := status(t, g.Check(t.Context(), twice)); got != 401 {
		t.Errorf("beside another: %d", got)
	}
	judge(t, g, "an algorithm that was not configured", sign(t, jose.PS256, "a", rsaKey(), usual()), 200)
	narrow := newGate(t, Config{PublicURL: "https://etl.example.org", Path: "/redox/hospital-7f3c", Options: Options{
		Strategy: strategyBearer, Issuer: "https://issuer.example.org", JWKSFile: keyFile(t, jwkSet("a", rsaKey().Public())), Algorithms: []string{"RS256"},
	}})
	judge(t, narrow, "RS256 where RS256 alone is accepted", good, 200)
	judge(t, narrow, "PS256 where RS256 alone is accepted", sign(t, jose.PS256, "a", rsaKey(), usual()), 401)
}

func t2Confusion(t *testing.T) {
	g := jwtGate(t, "a", rsaKey().Public())
	der := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, key := range map[string][]byte{
		"DER": der, "PKCS#1": x509.MarshalPKCS1PublicKey(&rsaKey().PublicKey), "PEM": text, "PEM without line break": text[:len(text)-1],
		"JWK": must(json.Marshal(jose.JSONWebKey{Key: rsaKey().Public(), KeyID: "a"})), "modulus": rsaKey().N.Bytes(), "nothing": nil,
	} {
		signed := compact(`{"alg":"HS256","kid":"a"}`, usual(), nil)
		h := hmac.New(sha256.New, key)
		h.Write([]byte(strings.TrimSuffix(signed, ".")))
		judge(t, g, name, signed+base64.RawURLEncoding.EncodeToString(h.Sum(nil)), 401)
	}
}

func t3Kid(t *testing.T) {
	g := jwtGate(t, "a", rsaKey().Public(), "b", ecKey().Public())
	judge(t, g, "first key", sign(t, jose.RS256, "a", rsaKey(), usual()), 200)
	judge(t, g, "second key", sign(t, jose.ES384, "b", ecKey(), usual()), 200)
	for _, kid := range []string{"../../etc/passwd", "' OR 1=1 --", "https://evil.example.org/keys", "A", "a\x00", " a"} {
		judge(t, g, kid, sign(t, jose.RS256, kid, rsaKey(), usual()), 401)
	}
	judge(t, g, "of 1 MB", sign(t, jose.RS256, strings.Repeat("k", 1<<20), rsaKey(), usual()), 401)
	judge(t, g, "missing beside several keys", sign(t, jose.RS256, "", rsaKey(), usual()), 401)
	judge(t, g, "of the other key", sign(t, jose.RS256, "b", rsaKey(), usual()), 401)
	judge(t, g, "a number", compact(`{"alg":"RS256","kid":1}`, usual(), []byte("x")), 401)
	one := jwtGate(t, "a", rsaKey().Public())
	judge(t, one, "missing beside one key", sign(t, jose.RS256, "", rsaKey(), usual()), 200)
	judge(t, one, "unknown beside one key", sign(t, jose.RS256, "b", rsaKey(), usual()), 401)
}

func t4Headers(t *testing.T) {
	g := jwtGate(t, "a", rsaKey().Public())
	mine := must(json.Marshal(jose.JSONWebKey{Key: strangerKey().Public(), KeyID: "a"}))
	for name, h := range map[string]string{
		"jku": `"jku":"https://evil.example.org/keys"`, "x5u": `"x5u":"https://evil.example.org/cert"`, "jwk": `"jwk":` + string(mine),
		"x5c": `"x5c":["AAAA"]`, "crit unknown": `"crit":["exp"],"exp":1`, "crit empty": `"crit":[]`, "b64": `"b64":false,"crit":["b64"]`, "b64 alone": `"b64":false`,
	} {
		head := `{"alg":"RS256","kid":"a",` + h + `}`
		judge(t, g, name+" of a stranger", signRaw(t, head, usual(), strangerKey()), 401)
		if name != "jwk" && name != "x5c" { // what these say is not looked at
			judge(t, g, name, signRaw(t, head, usual(), rsaKey()), 401)
		}
	}
}

// signRaw signs a header as it is written, by RS256.
func signRaw(t *testing.T, head string, payload any, key *rsa.PrivateKey) string {
	t.Helper()
	signed := strings.TrimSuffix(compact(head, payload, nil), ".")
	sum := sha256.Sum256([]byte(signed))
	mac, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac)
}

func t5Names(t *testing.T) {
	g := jwtGate(t, "a", rsaKey().Public())
	address := "https://etl.example.org/redox/hospital-7f3c"
	for name, c := range map[string]struct {
		claims map[string]any
		want   int
	}{
		"aud among others":             {but(usual(), "aud", []string{"x", address}), 200},
		"aud with a slash":             {but(usual(), "aud", address+"/"), 200},
		"aud another":                  {but(usual(), "aud", "https://etl.example.org/redox/other"), 401},
		"aud that begins so":           {but(usual(), "aud", address+"x"), 401},
		"aud that is part of it":       {but(usual(), "aud", "https://etl.example.org"), 401},
		"aud in other case":            {but(usual(), "aud", strings.ToUpper(address)), 401},
		"aud empty list":               {but(usual(), "aud", []string{}), 401},
		"aud number":                   {but(usual(), "aud", 1), 401},
		"aud list with a number":       {but(usual(), "aud", []any{address, 1}), 401},
		"aud missing":                  {but(usual(), "aud", nil), 401},
		"iss another":                  {but(usual(), "iss", "https://issuer.example.org/"), 401},
		"iss missing":                  {but(usual(), "iss", nil), 401},
		"iss list":                     {but(usual(), "iss", []string{"https://issuer.example.org"}), 401},
		"sub another":                  {but(usual(), "sub", "redox2"), 401},
		"sub missing":                  {but(usual(), "sub", nil), 401},
		"sub in other case":            {but(usual(), "sub", "Redox"), 401},
		"jti not unique":               {but(usual(), "jti", "1"), 200},
		"claims that nobody asked for": {but(usual(), "admin", true, "n", 1e300), 200},
	} {
		judge(t, g, name, sign(t, jose.RS256, "a", rsaKey(), c.claims), c.want)
	}
	judge(t, g, "claims that are a list", sign(t, jose.RS256, "a", rsaKey(), "[]"), 401)
	judge(t, g, "claims that are nothing", sign(t, jose.RS256, "a", rsaKey(), "null"), 401)
	judge(t, g, "claims twice", sign(t, jose.RS256, "a", rsaKey(), string(must(json.Marshal(usual())))+"{}"), 401)
	twice := strings.Replace(string(must(json.Marshal(usual()))), "{", `{"iss":"https://evil.example.org",`, 1)
	judge(t, g, "iss twice", sign(t, jose.RS256, "a", rsaKey(), twice), 401)
}

func t6Times(t *testing.T) {
	g := jwtGate(t, "a", rsaKey().Public())
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	for name, c := range map[string]struct {
		changes []any
		want    int
	}{
		"exp now":                     {[]any{"exp", at(0)}, 200},
		"exp past by a second":        {[]any{"exp", at(-time.Second)}, 200},
		"exp past by 59 s":            {[]any{"exp", at(-59 * time.Second)}, 200},
		"exp past by 60 s":            {[]any{"exp", at(-60 * time.Second)}, 401},
		"exp in an hour":              {[]any{"exp", at(time.Hour)}, 200},
		"exp in two hours":            {[]any{"exp", at(2 * time.Hour)}, 401},
		"exp two hours after iat":     {[]any{"exp", at(time.Minute), "iat", at(-2 * time.Hour)}, 401},
		"exp text":                    {[]any{"exp", fmt.Sprint(at(time.Minute))}, 401},
		"exp fraction":                {[]any{"exp", float64(at(time.Minute)) + 0.5}, 401},
		"exp negative":                {[]any{"exp", -1}, 401},
		"exp zero":                    {[]any{"exp", 0}, 401},
		"exp missing":                 {[]any{"exp", nil}, 401},
		"nbf in 30 s":                 {[]any{"nbf", at(30 * time.Second)}, 200},
		"nbf in two minutes":          {[]any{"nbf", at(2 * time.Minute)}, 401},
		"nbf text":                    {[]any{"nbf", "now"}, 401},
		"iat in 30 s":                 {[]any{"iat", at(30 * time.Second)}, 200},
		"iat in two minutes":          {[]any{"iat", at(2 * time.Minute)}, 401},
		"iat missing":                 {[]any{"iat", nil}, 200},
		"iat negative":                {[]any{"iat", -5}, 401},
		"exp a number past all years": {[]any{"exp", int64(1) << 62}, 401},
	} {
		judge(t, g, name, sign(t, jose.RS256, "a", rsaKey(), but(usual(), c.changes...)), c.want)
	}
	if err := g.Check(t.Context(), bearing(sign(t, jose.RS256, "a", rsaKey(), but(usual(), "exp", nil)))); err == nil || !strings.Contains(err.Error(), "does not say") {
		t.Errorf("exp missing: %v", err)
	}
	for _, exp := range []string{"1e400", "1e10", "null", "true", "[1]", "{}", "99999999999999999999999999"} {
		payload := strings.Replace(string(must(json.Marshal(but(usual(), "exp", nil)))), "{", `{"exp":`+exp+`,`, 1)
		judge(t, g, "exp "+exp, sign(t, jose.RS256, "a", rsaKey(), payload), 401)
	}
}

func t7Replay(t *testing.T) {
	c, store := smartConfig(t, always(noon), "a", ecKey().Public())
	g := newGate(t, c)
	other := newGate(t, c) // another replica
	token := sign(t, jose.ES384, "a", ecKey(), smartClaims("1"))
	if got := ask(t, g, smartForm(token)); got.status != 200 {
		t.Fatalf("first use: %d %v", got.status, got.body)
	}
	for name, g := range map[string]*Gate{"same replica": g, "another replica": other} {
		if got := ask(t, g, smartForm(token)); got.status != 401 || got.body["error"] != "invalid_client" {
			t.Errorf("second use at the %s: %d %v", name, got.status, got.body)
		}
	}
	if got := ask(t, g, smartForm(sign(t, jose.ES384, "a", ecKey(), smartClaims("2")))); got.status != 200 {
		t.Errorf("another jti: %d %v", got.status, got.body)
	}
	// An assertion that is refused does not use its jti up: else a stranger could.
	forged := sign(t, jose.ES384, "a", must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), smartClaims("3"))
	if got := ask(t, g, smartForm(forged)); got.status != 401 {
		t.Errorf("forged: %d", got.status)
	}
	if got := ask(t, g, smartForm(sign(t, jose.ES384, "a", ecKey(), smartClaims("3")))); got.status != 200 {
		t.Errorf("after a forged one with its jti: %d %v", got.status, got.body)
	}
	// It is remembered for as long as it would be let in.
	late := newClock()
	c.Now, store.now = late.now, late.now
	late.pass(4*time.Minute + leeway - time.Second)
	if got := ask(t, newGate(t, c), smartForm(token)); got.status != 401 || got.body["error_description"] != "assertion was used before (jti)" {
		t.Errorf("second use at its very end: %d %v", got.status, got.body)
	}
	store.down = true
	if got := ask(t, g, smartForm(sign(t, jose.ES384, "a", ecKey(), smartClaims("4")))); got.status != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("while the store is down: %d %v", got.status, got.body)
	}
}

func t8Signatures(t *testing.T) {
	p256 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	g := jwtGate(t, "a", rsaKey().Public(), "e", p256.Public())
	good := sign(t, jose.ES256, "e", p256, usual())
	judge(t, g, "good", good, 200)
	signed, mac := good[:strings.LastIndexByte(good, '.')], must(base64.RawURLEncoding.DecodeString(good[strings.LastIndexByte(good, '.')+1:]))
	sum := sha256.Sum256([]byte(signed))
	for name, mac := range map[string][]byte{
		"r and s 0": make([]byte, 64), "DER": must(ecdsa.SignASN1(rand.Reader, p256, sum[:])), "cut": mac[:63], "longer": append(mac[:64:64], 0), "one byte": {1},
		"r 0": append(make([]byte, 32), mac[32:]...), "r the order": append(p256.Params().N.FillBytes(make([]byte, 32)), mac[32:]...),
	} {
		judge(t, g, name, signed+"."+base64.RawURLEncoding.EncodeToString(mac), 401)
	}
	judge(t, g, "a stranger's key", sign(t, jose.RS256, "a", strangerKey(), usual()), 401)
	judge(t, g, "a key of P-384 for ES384 under the name of another", sign(t, jose.ES384, "e", ecKey(), usual()), 401)
	for name, public := range map[string]*rsa.PublicKey{
		"RSA of 1024 bits":   {N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537},
		"RSA of 16,000 bits": {N: new(big.Int).SetBit(big.NewInt(1), 16000, 1), E: 65537},
		"RSA with e = 1":     {N: rsaKey().N, E: 1},
		"RSA with e = 4":     {N: rsaKey().N, E: 4},
	} {
		if err := (key{public: public}).sound(); err == nil {
			t.Errorf("%s: taken as a key", name)
		}
	}
	if _, err := parseKeys(jwkSet(slices.Repeat([]any{"a", rsaKey().Public()}, mostKeys+1)...)); err == nil || !strings.Contains(err.Error(), "101") {
		t.Errorf("a set of 101 keys: %v", err)
	}
}
