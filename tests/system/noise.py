"""Noise_XX_25519_ChaChaPoly_SHA256 (revision 34 of its specification) in plain Python, after RFC
7748 and RFC 8439: a peer that shares no code with the project."""
import hashlib
import hmac
import os

PRIME = 2 ** 255 - 19


def x25519(scalar, point):
    k = int.from_bytes(scalar, "little") & ((1 << 255) - 8) | (1 << 254)
    k &= (1 << 255) - 1
    u = int.from_bytes(point, "little") & ((1 << 255) - 1)
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for t in reversed(range(255)):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b = x2 + z2, x2 - z2
        aa, bb = a * a % PRIME, b * b % PRIME
        e = aa - bb
        da, cb = (x3 - z3) * a % PRIME, (x3 + z3) * b % PRIME
        x3, z3 = (da + cb) ** 2 % PRIME, u * (da - cb) ** 2 % PRIME
        x2, z2 = aa * bb % PRIME, e * (aa + 121665 * e) % PRIME
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


NINE = (9).to_bytes(32, "little")


def chacha_block(key, counter, nonce):
    def words(data):
        return [int.from_bytes(data[i:i + 4], "little") for i in range(0, len(data), 4)]

    start = words(b"expand 32-byte k") + words(key) + [counter] + words(nonce)
    s = list(start)

    def quarter(a, b, c, d):
        for x, y, z, r in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] ^= s[x]
            s[z] = (s[z] << r | s[z] >> (32 - r)) & 0xFFFFFFFF

    for _ in range(10):
        for q in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                  (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            quarter(*q)
    return b"".join(((x + y) & 0xFFFFFFFF).to_bytes(4, "little") for x, y in zip(s, start))


def chacha(key, nonce, data):
    out = bytearray()
    for i in range(0, len(data), 64):
        block = chacha_block(key, 1 + i // 64, nonce)
        out += bytes(x ^ y for x, y in zip(data[i:i + 64], block))
    return bytes(out)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i:i + 16] + b"\x01", "little")) * r % (2 ** 130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) & (2 ** 128 - 1)).to_bytes(16, "little")


def tag_of(key, nonce, sealed, ad):
    pad = lambda d: d + bytes(-len(d) % 16)
    text = pad(ad) + pad(sealed) + len(ad).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    return poly1305(chacha_block(key, 0, nonce)[:32], text)


def seal(key, counter, ad, plain):
    nonce = bytes(4) + counter.to_bytes(8, "little")
    sealed = chacha(key, nonce, plain)
    return sealed + tag_of(key, nonce, sealed, ad)


def unseal(key, counter, ad, sealed):
    nonce = bytes(4) + counter.to_bytes(8, "little")
    if not hmac.compare_digest(tag_of(key, nonce, sealed[:-16], ad), sealed[-16:]):
        raise ValueError("does not authenticate")
    return chacha(key, nonce, sealed[:-16])


def hkdf(chaining, data, count):
    secret = hmac.new(chaining, data, hashlib.sha256).digest()
    out, last = [], b""
    for i in range(1, count + 1):
        last = hmac.new(secret, last + bytes([i]), hashlib.sha256).digest()
        out.append(last)
    return out


class Handshake:
    """The XX pattern. write and read handle whole messages; payloads may need h, so write takes a
    function of h."""

    PATTERN = (("e",), ("e", "ee", "s", "es"), ("s", "se"))

    def __init__(self, initiator, prologue):
        name = b"Noise_XX_25519_ChaChaPoly_SHA256"
        self.initiator = initiator
        self.h = self.ck = name.ljust(32, b"\0")
        self.mix_hash(prologue)
        self.key, self.n, self.step = None, 0, 0
        self.s, self.e = os.urandom(32), os.urandom(32)
        self.rs = self.re = None

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, secret):
        self.ck, self.key = hkdf(self.ck, secret, 2)
        self.n = 0

    def encrypt(self, plain):
        if self.key is None:
            sealed = plain
        else:
            sealed = seal(self.key, self.n, self.h, plain)
            self.n += 1
        self.mix_hash(sealed)
        return sealed

    def decrypt(self, sealed):
        if self.key is None:
            plain = sealed
        else:
            plain = unseal(self.key, self.n, self.h, sealed)
            self.n += 1
        self.mix_hash(sealed)
        return plain

    def mix_dh(self, token):
        mine_first = {"ee": (self.e, self.re), "es": (self.e, self.rs) if self.initiator else
                      (self.s, self.re), "se": (self.s, self.re) if self.initiator else
                      (self.e, self.rs)}
        secret, public = mine_first[token]
        self.mix_key(x25519(secret, public))

    def write(self, payload):
        out = b""
        for token in self.PATTERN[self.step]:
            if token == "e":
                public = x25519(self.e, NINE)
                out += public
                self.mix_hash(public)
            elif token == "s":
                out += self.encrypt(x25519(self.s, NINE))
            else:
                self.mix_dh(token)
        self.step += 1
        self.proof_hash = self.h
        return out + self.encrypt(payload(self.h))

    def read(self, message):
        for token in self.PATTERN[self.step]:
            if token == "e":
                self.re, message = message[:32], message[32:]
                self.mix_hash(self.re)
            elif token == "s":
                length = 32 + (16 if self.key else 0)
                self.rs, message = self.decrypt(message[:length]), message[length:]
            else:
                self.mix_dh(token)
        self.step += 1
        self.proof_hash = self.h
        return self.decrypt(message)

    def split(self):
        """Keys to send and to receive with."""
        first, second = hkdf(self.ck, b"", 2)
        return (first, second) if self.initiator else (second, first)
