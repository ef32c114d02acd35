"""What `meson install` puts where, and a program that knows no more of the project than pkg-config."""
from web4test import *

BUILD = os.environ["W4_BUILD"]
LIBDIR = os.environ["W4_LIBDIR"]
SANITIZE = os.environ["W4_SANITIZE"]
FILES = ["usr/sbin/web4d", "usr/bin/web4ctl", f"usr/{LIBDIR}/libweb4.so", f"usr/{LIBDIR}/pkgconfig/libweb4.pc",
         "usr/include/web4.h", "usr/bin/web4-transport-check", "usr/include/web4/transport.h",
         "usr/include/web4/base/types.h", "usr/share/bash-completion/completions/web4ctl.bash",
         "usr/share/zsh/site-functions/_web4ctl", "usr/share/fish/vendor_completions.d/web4ctl.fish",
         "usr/lib/sysusers.d/web4d.conf", "usr/lib/tmpfiles.d/web4d.conf",
         "usr/share/web4d/web4d.schema.json"]
UNITS = ["web4d.service", "web4d@.service", "web4d-control.socket", "web4d-agent.socket"]
PROGRAM = r"""
#include <stdio.h>
#include <string.h>
#include <web4.h>

int main(void) {
    web4_identity *identity = NULL;
    web4_error error;
    char *text = NULL;
    size_t len = 0;
    const char json[] = "{ \"b\": 1.0, \"a\": [true] }";
    if (web4_identity_generate(&identity) != 0 ||
        strlen(web4_identity_fingerprint(identity)) != WEB4_FINGERPRINT_LEN ||
        web4_canonicalise(json, strlen(json), &text, &len, &error) != 0 ||
        web4_envelope_verify(json, strlen(json), &text, &len, &error) != WEB4_REFUSED) {
        return 1;
    }
    printf("%s %s %s\n", web4_version(), text, error.code);
    web4_free(text);
    web4_identity_free(identity);
    return 0;
}
"""


def done(*words, **options):
    result = subprocess.run(words, capture_output=True, text=True, timeout=120, **options)
    assert result.returncode == 0, result
    return result.stdout


def found(scratch, prefix):
    """Files as if they had been installed under /usr, wherever the build was told to put them."""
    files = set()
    for folder, _, names in os.walk(scratch):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), scratch)
            files.add(path.replace(prefix.lstrip("/"), "usr", 1) if path.startswith(prefix.lstrip("/"))
                      else path)
    return files


def test_what_lands_where():
    scratch = tempfile.mkdtemp(prefix="web4-test-")
    try:
        done("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", scratch)
        prefix = os.environ["W4_PREFIX"]
        files = found(scratch, prefix)
        assert not set(FILES) - files, sorted(set(FILES) - files)
        units = {os.path.basename(path): path for path in files if "/systemd/system/" in path}
        assert sorted(units) == sorted(UNITS), units
        inside = scratch + prefix
        service = glob_one(scratch, "web4d.service")
        with open(service) as file:
            starts = [line.split("=", 1)[1].split()[0] for line in file if line.startswith("Exec")]
        for program in starts:
            assert os.access(scratch + program, os.X_OK), f"{program} of the unit was not installed"
        source = scratch + "/program.c"
        with open(source, "w") as file:
            file.write(PROGRAM)
        environment = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": scratch,
                       "PKG_CONFIG_LIBDIR": f"{inside}/{LIBDIR}/pkgconfig"}
        flags = done("pkg-config", "--cflags", "--libs", "libweb4", env=environment).split()
        sanitize = [] if SANITIZE == "none" else ["-fsanitize=" + SANITIZE]
        done("cc", "-Wall", "-Wextra", "-Werror", *sanitize, source, *flags, "-o", scratch + "/program")
        said = done(scratch + "/program", env={**os.environ, "LD_LIBRARY_PATH": f"{inside}/{LIBDIR}"})
        version, canonical, code = said.split()
        assert canonical == '{"a":[true],"b":1}' and code == "bad_envelope", said
        assert version in done(inside + "/bin/web4ctl", "--version"), said
        plugin = [os.environ["W4_PLUGIN"], f"-I{inside}/include", "-o", scratch + "/plugin.so"]
        done("cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *plugin)
        said = done(inside + "/bin/web4-transport-check", "--plugin", scratch + "/plugin.so", "--rule", "links-come-up",
                    "--rule", "session-fair", "--seed", "1")
        assert "2 passed, 0 failed" in said, said
    finally:
        shutil.rmtree(scratch)


def glob_one(folder, name):
    return next(os.path.join(at, name) for at, _, names in os.walk(folder) if name in names)


main([test_what_lands_where])
