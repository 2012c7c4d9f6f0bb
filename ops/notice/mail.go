package notice

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"syncd/extract"
	"syncd/extract/upstream"
)

// mailTimeout bounds one exchange with the mail server.
const mailTimeout = 30 * time.Second

// Mail sends messages by SMTP, with TLS from the first byte (smtps://) or with STARTTLS, which is required (smtp://). Only a relay on
// this machine itself is spoken to in the clear, unless ca_file says whom to trust.
type Mail struct {
	Name   string
	URL    func(context.Context) (string, error) // smtps://user:password@host
	From   string
	To     []string
	CAFile string
}

// Send sends one message to all recipients. One that was sent twice has the same Message-ID both times.
func (s *Mail) Send(ctx context.Context, m Message) error {
	raw, err := s.URL(ctx)
	if err != nil {
		return err
	}
	way := &way{}
	defer way.close()
	options, host, err := s.options(raw, way)
	if err != nil {
		return s.fault(err)
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return s.fault(extract.Errorf(extract.KindConfig, "", "smtp_url names no server that can be asked"))
	}
	msg, err := s.mail(m)
	if err != nil {
		return s.fault(err)
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.fault(s.refused(ctx, err))
	}
	defer func() { _ = client.CloseWithSMTPClient(conn) }() // the message was taken before
	if err := client.SendWithSMTPClient(conn, msg); err != nil {
		return s.fault(s.refused(ctx, err))
	}
	return nil
}

// options are how the server is reached. Their errors do not repeat the URL, which holds a password.
func (s *Mail) options(raw string, way *way) (options []mail.Option, host string, err error) {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
		return nil, "", extract.Errorf(extract.KindConfig, "", "smtp_url must be smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:587")
	}
	host = u.Hostname()
	trust, err := upstream.Trust(upstream.Config{CAFile: s.CAFile}, "notify."+s.Name, host)
	if err != nil {
		return nil, "", err
	}
	options = []mail.Option{mail.WithTLSConfig(trust), mail.WithTimeout(mailTimeout), mail.WithoutNoop()}
	port := map[string]int{"smtp": mail.DefaultPortTLS, "smtps": mail.DefaultPortSSL}[u.Scheme]
	if text := u.Port(); text != "" {
		if port, err = strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
			return nil, "", extract.Errorf(extract.KindConfig, "", "smtp_url names a port that is none")
		}
	}
	switch {
	case u.Scheme == "smtps":
		way.trust = trust
		options = append(options, mail.WithSSL())
	case loopback(host) && s.CAFile == "":
		way.own = true
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	options = append(options, mail.WithPort(port), mail.WithDialContextFunc(way.dial))
	if password, ok := u.User.Password(); ok {
		// PLAIN and LOGIN refuse to speak where there is no TLS, except to this machine.
		ways := []mail.SMTPAuthType{mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5}
		options = append(options, mail.WithOpportunisticSMTPAuth(ways...), mail.WithUsername(u.User.Username()), mail.WithPassword(password))
	}
	return options, host, nil
}

// mail is the message as a mail.
func (s *Mail) mail(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(s.From); err != nil {
		return nil, extract.Errorf(extract.KindConfig, "", "from is no address")
	}
	if err := msg.To(s.To...); err != nil {
		return nil, extract.Errorf(extract.KindConfig, "", "to holds what is no address")
	}
	_, domain, _ := strings.Cut(strings.TrimRight(s.From, "> "), "@")
	msg.SetMessageIDWithValue(fmt.Sprintf("syncd.%s.%s.%d@%s", m.Cause, m.State, m.At.UnixMicro(), domain))
	msg.SetDateWithValue(m.At)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // nobody's absence answers it
	msg.Subject("[syncd] " + m.Title)
	msg.SetBodyString(mail.TypeTextPlain, m.Title+"\n\n"+m.Text+"\n\n-- \nsyncd on "+m.Host+"\n")
	return msg, nil
}

// refused says what went wrong, without the words of the server: they may repeat addresses.
func (s *Mail) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &extract.Error{Kind: extract.KindTransient, Cause: context.Cause(ctx)}
	}
	var reply *textproto.Error
	var sent *mail.SendError
	code := 0
	switch {
	case errors.As(err, &reply):
		code = reply.Code
	case errors.As(err, &sent):
		code = sent.ErrorCode()
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return &extract.Error{Kind: extract.KindTLS, Cause: errors.New("the mail server does not offer STARTTLS, and nothing is sent in the clear"), Next: "smtps:// where it speaks TLS from the first byte (port 465)"}
	case strings.Contains(err.Error(), "SMTP AUTH"):
		return &extract.Error{Kind: extract.KindAuth, Cause: errors.New("the mail server takes no user and password here")}
	default:
		return upstream.Explain(err)
	}
	e := &extract.Error{Kind: extract.KindTransient, Cause: fmt.Errorf("the mail server answered %d", code)}
	switch {
	case code == 530 || code == 534 || code == 535:
		e.Kind, e.Next = extract.KindAuth, "look at user and password in smtp_url"
	case code >= 500:
		e.Kind = extract.KindRefused
	case code == 0:
		e.Cause = errors.New("the mail server did not take the message")
	}
	return e
}

// fault says whose message it was.
func (s *Mail) fault(err error) error {
	e := &extract.Error{Kind: extract.KindOf(err), What: "send message", Where: "notify." + s.Name, Cause: err, Next: "syncd notify test " + s.Name}
	var known *extract.Error
	if errors.As(err, &known) && known.What == "" {
		e.Cause = known.Cause
		if known.Next != "" {
			e.Next = known.Next
		}
	}
	return e
}

// loopback says that a host is this machine itself.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
