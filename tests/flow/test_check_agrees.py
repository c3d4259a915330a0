#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: `eventer check` tells of a mistake what a process tells of it that is started with the same
configuration, at the same line, and nothing of what such a process takes.
Method: configurations with one mistake each, and some with none, given to eventer and main_daemon
(the arguments), in a folder with certificates.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from daemon import PATIENCE

EVENTER, DAEMON = (os.path.abspath(path) for path in sys.argv[1:3])
del sys.argv[1:3]
PLACE = re.compile(r"^(/[^:]+:\d+): (?!note: )", re.M)


def log(attributes, children=""):
    """A configuration with that <log>."""
    return "", f"<logs>\n<log {attributes}>{children}</log></logs>"


def listener(attributes, children="", root=""):
    """With that <listener>."""
    return root, f"<listeners address='127.0.0.1' port='0'>\n<listener {attributes} " \
                 f"type='http_rest_api'>{children}</listener></listeners>"


def tls(keys, root=""):
    """With that <sslconfig>."""
    return listener("ssl='on'", f"<sslconfig>{keys}</sslconfig>", root)


def loops(keys):
    """With these in <eventer><config>."""
    return "", f"<eventer><config>\n{keys}</config></eventer>"


def pair(key, certificate="c.pem"):
    """A certificate and a key."""
    return f"<certificate_file>{certificate}</certificate_file><key_file>{key}</key_file>"


WRONG = [
    log("name='x' type='file' path='/nowhere/x'"), log("name='x' type='file_synch' path='.'"),
    log("name='x' type='file' path='ENV:/nowhere/x:{{NOT_THERE}}'"),
    log("name='x' type='memory' path='abc'"), log("name='x' type='memory' path='0,100'"),
    log("name='x' type='syslog' path='nobody'"), log("name='x' type='jlog' path='a'"),
    log("name='x' format='flatbuffer'"), log("name='x' type='file' path='a' format='jsn'"),
    log("name='x' rotate_seconds='599'"), log("name='x' type='file'"), log("name='x' path='a'"),
    log("name='" + "n" * 512 + "'"), log("name='x'", "<outlet name='stderr'/>" * 17),
    log("name='x'", "<outlet name='stderr' filter='level &gt;'/>"), log("name='x'", "<outlet/>"),
    ("workingdir='/nowhere'", ""), ("seccomp='maybe'", ""), ("lockfile='.'", ""),
    tls(pair("other.pem")), tls(pair("k.pem", "junk")), tls(pair("junk")), tls(""),
    tls("<certificate_file>c.pem</certificate_file>"), tls("<key_file>k.pem</key_file>"),
    tls(pair("k.pem") + "<ca_chain>junk</ca_chain>"), tls(pair("k.pem") + "<crl>junk</crl>"),
    tls(pair("k.pem") + "<ciphers>NONE</ciphers>"),
    tls(pair("k.pem") + "<ocsp_file>junk</ocsp_file>"),
    tls(pair("k.pem") + "<handshake_timeout>0</handshake_timeout>"),
    tls(pair("k.pem"), "workingdir='sub'"),
    listener("address='nope'"), listener("port='70000'"), listener("backlog='0'"),
    listener("fanout='maybe'"), listener("fanout_pool='nobody'"),
    listener("address='/" + "x" * 120 + "'"),
    listener("mode='0999' address='{folder}/s'"), listener("owner='no such' address='{folder}/s'"),
    listener("group='no such' address='{folder}/s'"), listener("reuseport='on' accept_thread='on'"),
    listener("reuseport='on' address='{folder}/s'"), listener("proxy_protocol_from='10.0.0.0/40'"),
    listener("", "<config><idle_timeout>x</idle_timeout></config>"),
    loops("<concurrency>257</concurrency>"), loops("<loop_x>abc</loop_x>"),
    loops("<jobq_x>3,4,2</jobq_x>"), loops("<rlim_nofiles>10</rlim_nofiles>"),
    loops("<default_jobq_ordering>none</default_jobq_ordering>"),
    ("", "<eventer implementation='kqueue'/>"), ("", "<watchdog retries='-1'/>"),
    ("", "<watchdog span='0'/>"), ("", "<rest><acl type='x'/></rest>"),
    ("", "<rest><acl cn='('/></rest>"), ("", "<rest><acl user='x'/></rest>"),
    ("", "<eventer require_env=''/>"),
]
RIGHT = [
    log("name='x' type='file' path='sub/x'"), log("name='x' type='memory' path='10,1000'"),
    ("workingdir='sub' lockfile='lock'", ""), tls(pair("k.pem")),
    tls(pair("../k.pem", "../c.pem"), "workingdir='sub'"),
    ("", listener("fanout_pool='mine'")[1] + loops("<loop_mine>1</loop_mine>")[1]),
]


class Agreement(unittest.TestCase):
    """One folder for all."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        os.mkdir(os.path.join(cls.folder, "sub"))
        cls.write("junk", "junk\n")
        for key, certificate in ("k.pem", "c.pem"), ("other.pem", "d.pem"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                            "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a", "-keyout", key,
                            "-out", certificate], cwd=cls.folder, check=True, capture_output=True)

    @classmethod
    def write(cls, name, text):
        """Write a file there; return its path."""
        path = os.path.join(cls.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    def run_both(self, root, body):
        """Return (status, places) of both."""
        text = f"<daemon {root}>\n{body}\n<rest/>\n"
        if "<listeners" not in body:
            text += listener("")[1]
        if "<eventer" not in body:
            text += "<eventer><config><concurrency>1</concurrency></config></eventer>"
        path = self.write("daemon.conf", (text + "</daemon>\n").replace("{folder}", self.folder)
                          .replace("{{", "{").replace("}}", "}")
                          .replace("<listeners", "<listeners strict='true'"))
        check = subprocess.run([EVENTER, "check", path], cwd=self.folder, capture_output=True,
                               text=True, timeout=PATIENCE, check=False)
        errors = open(os.path.join(self.folder, "errors"), "w+", encoding="utf-8")
        with errors, subprocess.Popen([DAEMON, path, "lock=1"], cwd=self.folder, stderr=errors,
                                      stdout=subprocess.PIPE) as daemon:
            if daemon.stdout.readline() == b"ready\n":
                daemon.send_signal(signal.SIGQUIT)
            status = daemon.wait(PATIENCE)
            errors.seek(0)
            said = errors.read()
        return ((check.returncode, set(PLACE.findall(check.stderr)), check.stderr),
                (status, set(PLACE.findall(said)), said))

    def test_what_is_wrong_is_so_for_both(self):
        for root, body in WRONG:
            with self.subTest(root + body):
                check, daemon = self.run_both(root, body)
                self.assertEqual(check[:2], (2, daemon[1]), (check[2], daemon[2]))
                self.assertEqual(len(daemon[1]), 1, daemon[2])
                if "<rest" not in body:  # a faulty <acl> only denies
                    self.assertEqual(daemon[0], 2)

    def test_what_is_right_is_so_for_both(self):
        for root, body in RIGHT:
            with self.subTest(root + body):
                check, daemon = self.run_both(root, body)
                self.assertEqual(check[:2] + daemon[:2], (0, set(), 0, set()),
                                 (check[2], daemon[2]))


unittest.main(argv=sys.argv[:1])
