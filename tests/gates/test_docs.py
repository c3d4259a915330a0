#!/usr/bin/env -S python3 -B
# SPDX-License-Identifier: MIT
"""Goal: what the manual pages and the guide show is code that compiles and does what they say.

Method: each example of a manual page, and each program of the guide, is compiled as a user would,
without a warning, and linked with the library of the build folder (second argument).  Those that
end by themselves are run, the others are talked to.  Each piece of code in a chapter must be found
in the program that the line before it names.
"""
import glob
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = sys.argv[1:3]
del sys.argv[1:3]
LIBRARY = os.path.join(BUILD, "src")
GUIDE = os.path.join(SOURCE, "docs/guide")
COMPILE = ["cc", "-O2", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror",
           "-I" + os.path.join(SOURCE, "include"), "-I" + os.path.join(BUILD, "include")]
LINK = [os.path.join(LIBRARY, "libeventer.so"), "-Wl,-rpath," + LIBRARY]

# In a manual page a comment line goes before code that compiles, or that runs and ends as well.
EXAMPLE = re.compile(r'^\.\\" compile( and run)?\n\.Bd -literal[^\n]*\n(.*?)^\.Ed$', re.M | re.S)
BLOCK = re.compile(r"^([^\n]*)\n```c\n(.*?)^```$", re.M | re.S)
MARK = re.compile(r"<!-- from code/(\w+\.c) -->")

CONFIGURATION = """<{name}><rest><acl><rule type='allow'/></acl></rest>
<listeners address='127.0.0.1'>{listeners}</listeners>{more}</{name}>"""
LISTENER = "<listener type='{}' port='0'/>"


def run(*command):
    """Run a command; fail with what it printed."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            timeout=60, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{command[0]}: status {result.returncode}\n{result.stdout}")


def compiled(folder, source):
    """Compile a program and return its path."""
    program = os.path.join(folder, os.path.basename(source)[:-2])
    run(*COMPILE, source, "-o", program, *LINK)
    return program


class Served:
    """A program of the guide that serves the types on free ports, while in a with statement."""

    def __init__(self, folder, name, *types, more=""):
        self.configuration = os.path.join(folder, name + ".conf")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(name=name,
                                            listeners="".join(map(LISTENER.format, types)),
                                            more=more))
        self.command = [compiled(folder, os.path.join(GUIDE, "code", name + ".c")),
                        "-c", self.configuration]
        self.count = len(types)
        self.process = None

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)
        return [("127.0.0.1", int(self.process.stdout.readline().rsplit(":", 1)[1]))
                for _ in range(self.count)]

    def __exit__(self, *exception):
        self.process.terminate()
        self.process.stdout.close()
        if self.process.wait(timeout=20) != 0 and exception[0] is None:
            raise AssertionError(f"{self.command[0]} ended with {self.process.returncode}")


def get(address, path, method="GET"):
    """Return (status, body) of a GET, or of another method."""
    connection = http.client.HTTPConnection(*address, timeout=20)
    connection.request(method, path)
    response = connection.getresponse()
    result = response.status, response.read().decode()
    connection.close()
    return result


def talk(address, text):
    """Send text and return all that is answered until the peer ends."""
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(text.encode())
        answer = b""
        while chunk := connection.recv(4096):
            answer += chunk
    return answer.decode()


class Docs(unittest.TestCase):
    """The manual pages and the guide."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_examples_of_the_manual_pages_compile_and_run(self):
        count = 0
        for page in sorted(glob.glob(os.path.join(SOURCE, "docs/man/*.3"))):
            with open(page, encoding="utf-8") as file:
                examples = EXAMPLE.findall(file.read())
            for number, (and_run, text) in enumerate(examples):
                name = f"{os.path.basename(page)[:-2]}_{number}.c"
                with self.subTest(name):
                    source = os.path.join(self.folder, name)
                    with open(source, "w", encoding="utf-8") as file:
                        file.write(text.replace("\\e", "\\").replace("\\&", ""))
                    program = compiled(self.folder, source)
                    if and_run:
                        run(program)
                    count += 1
        self.assertGreater(count, 0)

    def test_the_guide_shows_what_is_compiled(self):
        count = 0
        for chapter in sorted(glob.glob(os.path.join(GUIDE, "*.md"))):
            with open(chapter, encoding="utf-8") as file:
                blocks = BLOCK.findall(file.read())
            for before, block in blocks:
                with self.subTest(os.path.basename(chapter), block=block[:60]):
                    mark = MARK.fullmatch(before)
                    self.assertIsNotNone(mark, f"before the code stands '{before}'")
                    path = os.path.join(GUIDE, "code", mark.group(1))
                    with open(path, encoding="utf-8") as file:
                        self.assertIn("\n" + block, file.read())
                    count += 1
        self.assertGreater(count, 0)

    def test_the_first_program_answers(self):
        with Served(self.folder, "first", "http_rest_api") as (address,):
            self.assertEqual(get(address, "/"), (200, "nothing to try yet\n"))

    def test_names_are_looked_up_and_waited_for(self):
        with Served(self.folder, "lookup", "http_rest_api") as (address,):
            self.assertEqual(get(address, "/wait/10"), (200, "10 ms later\n"))
            self.assertEqual(get(address, "/address/127.0.0.1"), (200, "127.0.0.1\n"))
            self.assertEqual(get(address, "/address/1.2.3.4.5.6")[0], 404)

    def test_the_porter_counts_files(self):
        path = os.path.join(self.folder, "seven")
        with open(path, "w", encoding="utf-8") as file:
            file.write("7 bytes")
        with Served(self.folder, "porter", "talk", "gate") as addresses:
            for address in addresses:
                answer = talk(address, f"{path} {path}\nhm\n{path} {path}.not\nquit\n")
                self.assertEqual(answer, "7 and 7 bytes\nwhich two files?\n7 and -1 bytes\n")
                self.assertEqual(talk(address, "x" * 128), "that line is too long\n")

    def test_locals_are_lent_and_counted(self):
        with Served(self.folder, "stacks", "http_rest_api") as (address,):
            self.assertEqual(get(address, "/lend"), (200, "5050\n"))
            self.assertEqual(get(address, "/cost"),
                             (200, "0 coroutines on 0 shared and 1 private stacks, 1 loans, "
                                   "0 waited for one\n"))
            self.assertEqual(get(address, "/halves"), (200, "started\n"))

    def test_jobs_are_done_in_time_or_refused(self):
        with Served(self.folder, "jobs", "http_rest_api") as (address,):
            self.assertEqual(get(address, "/sum/7/1000"), (200, "500500\n"))
            self.assertEqual(get(address, "/report"), (200, "3 pages\n"))
            late = get(address, "/sum/7/99999999999999")
            self.assertEqual(late, (503, "that takes too long\n"))
            figures = get(address, "/figures")[1]
            self.assertRegex(figures, r"^[56] done, \d+ waited a millisecond\n$")

    def test_orders_are_logged_where_the_configuration_says(self):
        path = os.path.join(self.folder, "access.json")
        logs = (f"<logs><log name='json' type='file' path='{path}' format='json'/>"
                "<log name='recent' type='memory' path='10,1000'/>"
                "<log name='error'><outlet name='recent'/></log>"
                "<log name='access'><outlet name='json'/>"
                "<outlet name='recent' filter='status >= 400'/></log></logs>")
        with Served(self.folder, "orders", "http_rest_api", more=logs) as (address,):
            self.assertEqual(get(address, "/order/7/20")[0], 200)
            self.assertEqual(get(address, "/order/8/2000")[0], 402)
            self.assertEqual(get(address, "/recent"),
                             (200, "order 8: asked for 2000\norder 8: the limit is 1000\n"
                                   "order order=8 amount=2000 status=402\n"))
        with open(path, encoding="utf-8") as file:  # written when the program ended
            lines = [json.loads(line) for line in file]
        self.assertEqual([(line["message"], line["order"], line["status"]) for line in lines],
                         [("order", "7", 200), ("order", "8", 402)])

    def test_what_one_says_in_the_chat_all_others_read(self):
        with Served(self.folder, "chat", "chat") as (address,):
            members = [socket.create_connection(address, timeout=20) for _ in range(3)]
            for member in members:
                self.assertEqual(member.recv(64), b"you are in\n")
            members[0].sendall(b"hello")
            for other in members[1:]:
                self.assertEqual(other.recv(64), b"hello")
            members[1].close()
            members[0].sendall(b"bye")
            members[0].close()
            self.assertEqual(members[2].recv(64), b"bye")
            members[2].close()

    def check_what_is_said(self, configuration, chapter):
        """Hold what eventer check says against what the chapter shows."""
        with open(os.path.join(self.folder, "greeter.conf"), "w", encoding="utf-8") as file:
            file.write(configuration)
        said = subprocess.run([os.path.join(LIBRARY, "command/eventer"), "check", "-n", "greeter",
                               "greeter.conf"], cwd=self.folder, stderr=subprocess.PIPE, text=True,
                              timeout=20, check=False).stderr
        self.assertIn("\n" + said + "```", chapter)

    def test_the_greeter_keeps_what_it_learns(self):
        with open(os.path.join(GUIDE, "10-configuration.md"), encoding="utf-8") as file:
            chapter = file.read()
        shown = re.search(r"```xml\n(.*?)```", chapter, re.S).group(1)
        self.check_what_is_said(shown.replace("port=", "prot=", 1), chapter)
        served = Served(self.folder, "greeter", "http_rest_api")
        with open(served.configuration, "w", encoding="utf-8") as file:
            file.write(shown.replace("8080", "0"))
        with served as (address,):
            self.assertEqual(get(address, "/words/de"), (200, "hallo\n"))
            self.assertEqual(get(address, "/words/fr"), (404, "that language is not known\n"))
            self.assertEqual(sorted(get(address, "/settings/")[1].split()),
                             ["loud=no", "polite=yes"])
            self.assertEqual(get(address, "/words/fr/salut", "PUT"), (200, "learnt\n"))
            self.assertEqual(get(address, "/words/fr"), (200, "salut\n"))
        with served as (address,):
            self.assertEqual(get(address, "/words/fr"), (200, "salut\n"))
    def test_a_server_behind_tls_greets_its_client(self):
        key, certificate = (os.path.join(self.folder, name) for name in ("key", "certificate"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
            "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate)
        served = Served(self.folder, "secure", "greet", "relay")
        with open(served.configuration, encoding="utf-8") as file:
            text = file.read()
        with open(served.configuration, "w", encoding="utf-8") as file:
            file.write(text.replace("type='greet'", "type='greet' ssl='on'").replace(
                "</listeners>", f"<sslconfig><certificate_file>{certificate}</certificate_file>"
                f"<key_file>{key}</key_file></sslconfig></listeners>"))
        os.environ["CA_FILE"] = certificate
        with served as ((_, port), relay):
            self.assertEqual(talk(relay, f"{port}\n"), "hello you, over TLSv1.3\n")
            self.assertEqual(talk(relay, f"{relay[1]}\n"), "Connection reset by peer\n")

    def test_a_service_is_started_again_and_drains(self):
        served = Served(self.folder, "ticker", "http_rest_api", "ticker")
        served.command.append("-m")
        with served as (http_address, ticker):
            self.assertEqual(get(http_address, "/process"), (200, "process 1\n"))
            with socket.create_connection(ticker, timeout=20) as connection:
                with connection.makefile() as lines:
                    self.assertEqual([next(lines) for _ in range(3)], ["1\n", "2\n", "3\n"])
                    served.process.terminate()
                    self.assertEqual(list(lines)[-1], "bye\n")

    def said_by(self, name):
        """What a program of the guide prints before it ends."""
        program = compiled(self.folder, os.path.join(GUIDE, "code", name + ".c"))
        result = subprocess.run([program], stdout=subprocess.PIPE, text=True, timeout=20,
                                check=True)
        return result.stdout

    def test_reminders_come_in_time(self):
        said = self.said_by("reminder").splitlines()
        self.assertEqual(sorted(said), ["nobody was there in time", "somebody was there",
                                        "tick 1", "tick 2", "tick 3"])
        self.assertEqual(said[-2:], ["somebody was there", "nobody was there in time"])

    def test_work_goes_from_pool_to_pool(self):
        self.assertEqual(self.said_by("pools"), "counted to two in e:default/0\n")


unittest.main()
