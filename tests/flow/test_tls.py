#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: what is behind a listener with ssl="on" is reached through TLS and not without, only by
good protocols and ciphers, and as its <sslconfig> says; a stanza that is wrong is one line with its
place and the name of the file.
Method: tls_daemon (the argument), with an authority made by openssl(1), talked to by Python's ssl
and by openssl s_client.
"""
import contextlib
import http.client
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from daemon import (Case, Daemon, PATIENCE, connect, get, is_closed, is_quiet,
                    read_response)

PROGRAM = sys.argv[1]
del sys.argv[1:2]
CONFIGURATION = """<daemon><rest><acl>{2}<rule type='allow'/></acl></rest>
<listeners address='127.0.0.1' port='0' ssl='on'><sslconfig>
<certificate_file>{0}/server.pem</certificate_file><key_file>{0}/server.key</key_file></sslconfig>
{1}
</listeners></daemon>
"""


def openssl(*arguments, text=""):
    """Run openssl(1); returns (status, all it said)."""
    result = subprocess.run(["openssl", *arguments], input=text, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace",
                            timeout=PATIENCE * 3, check=False)
    return result.returncode, result.stdout


P256 = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Authority:
    """A folder with certificates."""

    def __init__(self):
        self.folder = tempfile.mkdtemp()
        self.run("req", "-x509", "-newkey", *P256, "-nodes", "-subj", "/CN=authority", "-days",
                 "2", "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"))
        self.issue("server", "DNS:localhost,IP:127.0.0.1")
        self.issue("other", "DNS:other.example")
        self.issue("client", "DNS:client")

    def path(self, name):
        """Of a file in the folder."""
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        """Run openssl(1), which must succeed."""
        status, said = openssl(*arguments)
        if status != 0:
            raise AssertionError(said)

    def issue(self, name, names, days="2", kind=P256):
        """Write NAME.pem and NAME.key."""
        self.run("req", "-newkey", *kind, "-nodes", "-subj", "/CN=" + name,
                 "-keyout", self.path(name + ".key"), "-out", self.path("csr"))
        with open(self.path("ext"), "w", encoding="ascii") as file:
            file.write("subjectAltName=" + names + "\n")
        self.run("x509", "-req", "-in", self.path("csr"), "-CA", self.path("ca.pem"), "-CAkey",
                 self.path("ca.key"), "-CAcreateserial", "-days", days, "-extfile",
                 self.path("ext"), "-out", self.path(name + ".new"))
        os.rename(self.path(name + ".new"), self.path(name + ".pem"))


class Tls(Case):
    """A daemon a test, and one authority for all."""

    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(shutil.rmtree, cls.authority.folder)

    def configure(self, *listeners, rules=""):
        """Write a configuration with these listeners."""
        path = self.authority.path("daemon.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(self.authority.folder, "\n".join(listeners), rules))
        return path

    def daemon(self, *listeners, **more):
        """Start it; use it in a with statement."""
        return Daemon([PROGRAM, self.configure(*listeners, **more)])

    def context(self, name=None):
        """A client's, with the certificate of that name."""
        context = ssl.create_default_context(cafile=self.authority.path("ca.pem"))
        if name is not None:
            context.load_cert_chain(self.authority.path(name + ".pem"),
                                    self.authority.path(name + ".key"))
        return context

    def connect(self, port, context=None, host="localhost", **more):
        """Connect through TLS."""
        context = context or self.context()
        return context.wrap_socket(connect(port), server_hostname=host, **more)

    def ask(self, port, path, context=None, host="localhost"):
        """Return the body of a GET on a connection of its own."""
        with self.connect(port, context, host) as connection:
            get(connection, path)
            return read_response(connection)[1]

    def answers(self, port, path, **more):
        """True if a GET is answered, at all."""
        try:
            return bool(self.ask(port, path, **more))
        except (ssl.SSLError, ConnectionError, AssertionError):
            return False

    def test_http_over_tls_is_http(self):
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            port, = daemon.ports()
            with self.connect(port) as connection:
                self.assertEqual(connection.version(), "TLSv1.3")
                for path in ("/hello", "/coroutine", "/hello", "/nothing", "/coroutine"):
                    get(connection, path)
                    status, body = read_response(connection)
                    self.assertEqual((status, body == "hello"), (200, True) if path != "/nothing"
                                     else (404, False))
                connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 5)
                for _ in range(5):
                    self.assertEqual(read_response(connection), (200, "hello"))
                connection.sendall(b"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"
                                   b"\r\n" + b"x" * 1000000)
                self.assertEqual(read_response(connection), (200, "1000000"))
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=self.context(),
                                                     timeout=PATIENCE)
            connection.request("GET", "/big")
            alphabet = "abcdefghijklmnopqrstuvwxyz"
            self.assertTrue(connection.getresponse().read().decode()
                            == (alphabet * (3000000 // 26 + 1))[:3000000])
            connection.close()
            self.stops(daemon)

    def test_the_end_is_close_notify(self):
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            with self.connect(*daemon.ports()) as connection:
                connection.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                self.assertEqual(read_response(connection), (200, "hello"))
                self.assertEqual(connection.recv(1), b"")  # a cut stream would be an error
            self.stops(daemon)

    def test_a_request_may_come_with_the_end_of_the_handshake(self):
        with self.daemon("<listener type='http_rest_api'/>", "<listener type='echo'/>",
                         "<listener type='classic'/>") as daemon:
            for port, words, answer in zip(
                    daemon.ports(3), (b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",) +
                    (b"0123456789",) * 2, (b"hello", b"0123456789", b"0123456789")):
                plain = connect(port)
                incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
                tls = self.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
                while True:
                    try:
                        tls.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        plain.sendall(outgoing.read())
                        incoming.write(plain.recv(65536))
                tls.write(words)
                plain.sendall(outgoing.read())  # all in one piece
                got = b""
                while not got.endswith(answer):
                    try:
                        got += tls.read(4096)
                    except ssl.SSLWantReadError:
                        incoming.write(plain.recv(65536))
                plain.close()
            self.stops(daemon)

    def test_coroutines_and_callbacks_are_behind_tls(self):
        with self.daemon("<listener type='echo'/>", "<listener type='classic'/>") as daemon:
            for port in daemon.ports(2):
                with self.connect(port) as connection:
                    for words in (b"a", b"0123456789", b"x" * 300):
                        connection.sendall(words)
                        got = b""
                        while len(got) < len(words):
                            got += connection.recv(4096)
                        self.assertEqual(got, words)
            self.stops(daemon)

    def test_who_speaks_no_tls_is_turned_away(self):
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            port, = daemon.ports()
            for words in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00" * 200,
                          b"\x80\x2e\x01\x03\x01" + b"\0" * 100, bytes(range(256)) * 8):
                with connect(port) as plain:
                    plain.sendall(words)
                    try:
                        plain.shutdown(socket.SHUT_WR)
                        answer = plain.recv(4096)
                    except (ConnectionError, OSError):
                        answer = b""
                    self.assertNotIn(b"HTTP", answer)
            self.assertEqual(self.ask(port, "/hello"), "hello")
            self.stops(daemon)

    def test_a_silent_client_is_dropped(self):
        with self.daemon("<listener type='http_rest_api'><sslconfig><handshake_timeout>100"
                         "</handshake_timeout></sslconfig></listener>") as daemon:
            port, = daemon.ports()
            with connect(port) as silent, connect(port) as slow:
                for byte in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500:
                    if not is_quiet(slow):
                        break  # each byte does not give it more time
                    try:
                        slow.sendall(bytes([byte]))
                    except ConnectionError:
                        break
                    select.select([slow], [], [], 0.01)
                else:
                    self.fail("it may go on")
                self.assertTrue(is_closed(silent))
            self.stops(daemon)

    def test_a_crowd_that_never_speaks_holds_nobody_up(self):
        with self.daemon("<listener type='http_rest_api' backlog='2000'/>") as daemon:
            port, = daemon.ports()
            with contextlib.ExitStack() as stack:
                for _ in range(400):
                    stack.enter_context(connect(port))
                    stack.enter_context(connect(port)).sendall(b"\x16\x03\x01")
                self.assertEqual(self.ask(port, "/hello"), "hello")
            self.stops(daemon)

    def test_a_handshake_under_way_holds_nothing_up(self):
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            port, = daemon.ports()
            with connect(port) as silent:
                silent.sendall(b"\x16")
                self.assertEqual(self.ask(port, "/hello"), "hello")  # accepted after it
                self.stops(daemon)

    def s_client(self, port, *arguments, text=""):
        """Return what openssl s_client says."""
        return openssl("s_client", "-connect", f"127.0.0.1:{port}", "-CAfile",
                       self.authority.path("ca.pem"), *arguments, text=text)[1]

    def is_let_in(self, port, *arguments):
        """True if s_client agrees on a cipher."""
        return "Cipher is (NONE)" not in self.s_client(port, *arguments)

    def test_only_good_protocols_and_ciphers_are_spoken(self):
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            port, = daemon.ports()
            weak = ("-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0")
            self.assertTrue(self.is_let_in(port, "-tls1_3"))
            self.assertTrue(self.is_let_in(port, "-tls1_2"))
            self.assertFalse(self.is_let_in(port, "-tls1_1", *weak))
            self.assertFalse(self.is_let_in(port, "-tls1", *weak))
            for cipher in ("AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA",
                           "ECDHE-ECDSA-AES256-SHA384", "NULL", "aNULL", "PSK", "ECDHE+CAMELLIA"):
                self.assertFalse(self.is_let_in(port, "-tls1_2", "-cipher",
                                                cipher + ":@SECLEVEL=0"), cipher)
            for cipher in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
                self.assertTrue(self.is_let_in(port, "-tls1_2", "-cipher", cipher), cipher)
            said = self.s_client(port, "-tls1_2")
            self.assertIn("Secure Renegotiation IS supported", said)
            self.assertIn("Compression: NONE", said)
            self.assertIn("Verify return code: 0 (ok)", said)
            self.assertIn("X25519", said)
            said = self.s_client(port, "-tls1_3")
            self.assertNotIn("Max Early Data: 1", said)
            self.stops(daemon)

    def test_a_key_of_rsa_opens_no_weaker_cipher(self):
        """And where there is one of each kind, each client gets the one it knows."""
        folder = self.authority.folder
        self.authority.issue("rsa", "DNS:localhost,IP:127.0.0.1", kind=("rsa:2048",))
        with self.daemon("<listener type='http_rest_api'><sslconfig><certificate_file>"
                         f"{folder}/server.pem, {folder}/rsa.pem</certificate_file><key_file>"
                         f"{folder}/server.key, {folder}/rsa.key</key_file></sslconfig></listener>"
                         ) as daemon:
            port, = daemon.ports()
            for cipher in ("kRSA", "AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA",
                           "ECDHE-RSA-AES256-SHA384", "DHE-RSA-AES128-GCM-SHA256", "aNULL"):
                self.assertFalse(self.is_let_in(port, "-tls1_2", "-cipher",
                                                cipher + ":@SECLEVEL=0"), cipher)
            for version in ("-tls1_2", "-tls1_3"):
                for known, kind in (("RSA+SHA256:rsa_pss_rsae_sha256", "RSA"),
                                    ("ECDSA+SHA256:RSA+SHA256", "ECDSA")):
                    said = self.s_client(port, version, "-sigalgs", known)
                    self.assertRegex(said, rf"Peer signature type: {kind}\b")
            self.stops(daemon)

    def test_nobody_negotiates_again(self):
        with self.daemon("<listener type='echo'/>") as daemon:
            port, = daemon.ports()
            with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}",
                                   "-tls1_2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True) as client:
                client.stdin.write("hello\n")
                client.stdin.flush()
                line = ""
                while line != "hello\n":
                    line = client.stdout.readline()
                    self.assertNotEqual(line, "")
                client.stdin.write("R\n")
                client.stdin.flush()
                said = client.communicate(timeout=PATIENCE)[0]
                self.assertIn("no renegotiation", said)
            self.stops(daemon)

    def test_a_downgrade_is_noticed(self):
        """A client that could do better says so when it is made to try less (RFC 7507), and a
        server marks its answer to who offers less (RFC 8446 4.1.3), which ssl checks."""
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            port, = daemon.ports()
            said = self.s_client(port, "-tls1_2", "-fallback_scsv")
            self.assertIn("inappropriate fallback", said)
            self.stops(daemon)

    def test_sessions_are_resumed(self):
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            port, = daemon.ports()
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = self.context()
                context.maximum_version = version
                with self.connect(port, context) as first:
                    self.assertFalse(first.session_reused)
                    get(first, "/hello")
                    read_response(first)
                    session = first.session
                with self.connect(port, context, session=session) as second:
                    get(second, "/hello")
                    read_response(second)
                    self.assertTrue(second.session_reused)
            self.stops(daemon)

    def test_the_name_chooses_among_several(self):
        second = ("<sslconfig><certificate_file>{0}/other.pem</certificate_file>"
                  "<key_file>{0}/other.key</key_file></sslconfig>").format(self.authority.folder)
        with self.daemon("<listener type='http_rest_api'><sslconfig/>" + second
                         + "</listener>") as daemon:
            port, = daemon.ports()
            self.assertEqual(self.ask(port, "/hello"), "hello")
            self.assertEqual(self.ask(port, "/hello", host="other.example"), "hello")
            self.assertFalse(self.answers(port, "/hello", host="nobody.example"))
            self.stops(daemon)

    def test_clients_show_who_they_are(self):
        mutual = ("<listener type='http_rest_api'><sslconfig><ca_chain>{}/ca.pem</ca_chain>"
                  "{}</sslconfig></listener>")
        more = "<client_certificate>optional</client_certificate>"
        with self.daemon(mutual.format(self.authority.folder, ""),
                         mutual.format(self.authority.folder, more)) as daemon:
            required, optional = daemon.ports(2)
            self.assertEqual(self.ask(required, "/name", self.context("client")), "client")
            self.assertEqual(self.ask(optional, "/name", self.context("client")), "client")
            self.assertFalse(self.answers(required, "/hello"))
            self.assertEqual(self.ask(optional, "/hello"), "hello")
            self.stops(daemon)

    def test_access_goes_by_certificate_and_listener(self):
        rules = ("<rule type='deny' listener_zone='^outer$' url='^/name'/>"
                 "<rule type='deny' url='^/coroutine' cn='^(?!client$)'/>")
        listener = ("<listener type='http_rest_api'><config><zone>{1}</zone></config><sslconfig>"
                    "<ca_chain>{0}/ca.pem</ca_chain>"
                    "<client_certificate>optional</client_certificate></sslconfig></listener>")
        known = self.context("client")
        with self.daemon(*(listener.format(self.authority.folder, zone)
                           for zone in ("inner", "outer")), rules=rules) as daemon:
            inner, outer = daemon.ports(2)
            for port, path, context, status in [
                    (inner, "/name", None, 200), (outer, "/name", None, 403),
                    (outer, "/name", known, 403), (outer, "/hello", None, 200),
                    (outer, "/coroutine", known, 200), (outer, "/coroutine", None, 403),
                    (inner, "/coroutine", self.context("other"), 403)]:
                with self.subTest(path=path, port=port), self.connect(port, context) as connection:
                    get(connection, path)
                    self.assertEqual(read_response(connection)[0], status)
            self.stops(daemon)

    def test_the_protocol_above_tls_chooses_the_type(self):
        with self.daemon("<listener type='echo'><sslconfig><alpn>loud,quiet</alpn></sslconfig>"
                         "</listener>", "<listener type='http_rest_api'/>",
                         "<listener type='http_rest_api'><config><http2>off</http2></config>"
                         "</listener>") as daemon:
            port, http, without_h2 = daemon.ports(3)
            for offered, greeting in ((["loud"], b"LOUD"), (["quiet"], b""), (None, b"")):
                context = self.context()
                if offered:
                    context.set_alpn_protocols(offered)
                with self.connect(port, context) as connection:
                    self.assertEqual(connection.selected_alpn_protocol(),
                                     offered[0] if offered else None)
                    connection.sendall(b"hello")
                    got = b""
                    while len(got) < len(greeting) + 5:
                        got += connection.recv(64)
                    self.assertEqual(got, greeting + b"hello")
            said = self.s_client(port, "-alpn", "neither")
            self.assertIn("no application protocol", said)
            context = self.context()
            context.set_alpn_protocols(["h2", "http/1.1"])
            for port, wanted in ((http, "h2"), (without_h2, "http/1.1")):
                with self.connect(port, context) as connection:
                    self.assertEqual(connection.selected_alpn_protocol(), wanted)
            self.stops(daemon)

    def serial(self, port):
        """Of the certificate that the server shows."""
        with self.connect(port) as connection:
            return connection.getpeercert()["serialNumber"]

    def test_a_new_certificate_is_shown_without_a_restart(self):
        with self.daemon("<listener type='http_rest_api'/>") as daemon:
            port, = daemon.ports()
            before = self.serial(port)
            with self.connect(port) as connection:
                self.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
                daemon.until(lambda: self.serial(port) != before, "showing the new certificate")
                get(connection, "/hello")
                self.assertEqual(read_response(connection), (200, "hello"))
            self.assertEqual(daemon.end(signal.SIGTERM)[0], 0)

    def is_wrong(self, listener, reason, at=4):
        """Assert that a strict daemon refuses this listener."""
        path = self.configure(listener)
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("<listeners ", "<listeners strict='true' ")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.refuses([PROGRAM, path], f"{path}:{at}: {reason}")

    def test_what_is_wrong_is_told_with_its_place(self):
        folder = self.authority.folder
        with_key = "<listener type='echo'><sslconfig><{0}>{1}</{0}></sslconfig></listener>"
        tls = "<listener>: TLS: "
        self.authority.issue("old", "DNS:localhost", days="-1")
        for key, value, reason in (
                ("certificate_file", folder + "/no.pem",
                 f"{tls}{folder}/no.pem: it cannot be read: No such file or directory"),
                ("key_file", folder + "/client.key",
                 f"{tls}{folder}/client.key: it is not the key of {folder}/server.pem"),
                ("certificate_file", folder + "/old.pem",
                 f"{tls}{folder}/old.pem: the certificate has expired on .*"),
                ("ca_chain", folder + "/server.key",
                 f"{tls}{folder}/server.key: it holds no certificate.*"),
                ("crl", "/no/such.crl", f"{tls}/no/such.crl: it cannot be read: .*"),
                ("ocsp_file", folder + "/ca.pem", f"{tls}{folder}/ca.pem: it is no good OCSP.*"),
                ("layer", "sslv9", f'{tls}layer: "sslv9" is no protocol or option'),
                ("ciphers", "BEST", f"{tls}ciphers: none is known: no cipher match"),
                ("colour", "blue", "<colour> is no key of <sslconfig>"),
                ("handshake_timeout", "0", '<handshake_timeout> "0": not a number of '
                 "milliseconds between 1 and 600000"),
                ("client_certificate", "maybe",
                 '<client_certificate> "maybe": not none, optional or required'),
                ("optional_no_ca", "perhaps", '<optional_no_ca> "perhaps": not true, .*'),
                ("ignore_dates", "perhaps", '<ignore_dates> "perhaps": not true, .*'),
                ("alpn", ",", '<alpn> ",": not a list of names.*')):
            with self.subTest(key):
                self.is_wrong(with_key.format(key, value), reason)
        self.is_wrong("<listener type='echo' ssl='maybe'/>", '<listener> ssl="maybe": .*')


unittest.main()
