#!/usr/bin/env python3
"""Checks the test vectors beside it against a second implementation of wire/PROTOCOL.md.

It was written from that page and shares no code with the rest of the project. Numbers of sections
below are the page's. Usage: check.py [FOLDER]; exits with 1 if anything does not hold.
"""

import base64
import datetime
import hashlib
import hmac
import json
import re
import struct
import sys
import tomllib
import unicodedata
from pathlib import Path

from blake3 import blake3
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

unhex = bytes.fromhex


class Bad(Exception):
    """Bytes that the protocol refuses; the argument says at which step."""


def be(value, length):
    return value.to_bytes(length, "big")


# Section 3: key derivation.

CONTEXTS = {
    "OnionContext": "talaria v1 onion context",
    "OnionLayer": "talaria v1 onion layer",
    "NetworkVersion": "talaria v1 network version",
    "SessionRoot": "talaria v1 session root",
    "SessionId": "talaria v1 session id",
    "WheelEpoch": "talaria v1 keywheel epoch",
    "WheelStart": "talaria v1 keywheel start",
    "WheelTurn": "talaria v1 keywheel turn",
    "DeadDrop": "talaria v1 dead drop",
    "MessageKeys": "talaria v1 message keys",
    "IdentityHash": "talaria v1 identity hash",
    "PublicPart": "talaria v1 public part",
    "Wrapping": "talaria v1 wrapping",
    "Renewal": "talaria v1 renewal",
    "KeyRotation": "talaria v1 key rotation",
    "DirectoryStart": "talaria v1 directory start",
    "DirectoryEntry": "talaria v1 directory entry",
    "DirectoryHead": "talaria v1 directory head",
    "EntryTime": "talaria v1 entry time",
    "WheelEra": "talaria v1 keywheel era",
    "StreamDigest": "talaria v1 stream digest",
    "StreamBase": "talaria v1 stream base",
    "LedgerKey": "talaria v1 ledger key",
    "LedgerPartner": "talaria v1 ledger partner",
    "LedgerUpdate": "talaria v1 ledger update",
}


def derive(label, length, *fields):
    return blake3(b"".join(fields), derive_key_context=CONTEXTS[label]).digest(length=length)


# Section 4: keys.

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def x25519_public(secret):
    key = X25519PrivateKey.from_private_bytes(secret).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def x25519(secret, public):
    """The shared secret, or None if it is all zero (which the library refuses by itself)."""
    try:
        key = X25519PublicKey.from_public_bytes(public)
        return X25519PrivateKey.from_private_bytes(secret).exchange(key)
    except ValueError:
        return None


def p256_secret(secret):
    return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())


def p256_public(point):
    if len(point) != 33 or point[0] not in (2, 3):
        raise Bad("key")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        raise Bad("key") from None


def compressed(secret):
    return secret.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def key_hash(point):
    return derive("IdentityHash", 32, point)


def sign(secret, message):
    der = secret.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(der)
    return be(r, 32) + be(min(s, ORDER - s), 32)


def verify(point, message, signature):
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        return False
    try:
        der = encode_dss_signature(r, s)
        p256_public(point).verify(der, message, ec.ECDSA(hashes.SHA256()))
        return True
    except InvalidSignature:
        return False


# Section 5: onions.

NONCE = bytes(12)


def layer_keys(shared, ephemeral, chain, round_, hop):
    """`chain` are the onion keys of this hop and all behind it."""
    context = derive("OnionContext", 32, be(round_, 8), be(hop, 1), be(len(chain), 1), *chain)
    both = derive("OnionLayer", 64, shared, ephemeral, context)
    return both[:32], both[32:]


def seal_onion(request, chain, ephemerals, round_):
    """The onion at every hop and at the exchange, and the hops' reply keys."""
    stages, reply_keys = [request], []
    for hop in reversed(range(len(chain))):
        ephemeral = x25519_public(ephemerals[hop])
        shared = x25519(ephemerals[hop], chain[hop])
        request_key, reply_key = layer_keys(shared, ephemeral, chain[hop:], round_, hop)
        stages.insert(0, ephemeral + AESGCM(request_key).encrypt(NONCE, stages[0], None))
        reply_keys.insert(0, reply_key)
    return stages, reply_keys


def peel(onion, secret, behind, round_, hop):
    """The inner onion and the reply key; Bad if the onion is."""
    ephemeral, sealed = onion[:32], onion[32:]
    shared = x25519(secret, ephemeral)
    if shared is None:
        raise Bad("zero")
    request_key, reply_key = layer_keys(shared, ephemeral,
                                        [x25519_public(secret), *behind], round_, hop)
    try:
        return AESGCM(request_key).decrypt(NONCE, sealed, None), reply_key
    except InvalidTag:
        raise Bad("tag") from None


def open_reply(reply, reply_keys):
    if len(reply) != 512 + 16 * len(reply_keys):
        raise Bad("length")
    for key in reply_keys:
        try:
            reply = AESGCM(key).decrypt(NONCE, reply, None)
        except InvalidTag:
            raise Bad("tag") from None
    return reply


# Section 7: peer messages.

CONTENT = struct.Struct(">BBHIIIIHHQII8s32s320s")
FIELDS = ("kind", "flags", "length", "seq", "ack", "selective_ack", "message_id",
          "fragment_index", "fragment_count", "sent_ms", "stream", "ack_stream", "ack_digest",
          "ratchet", "body")


def place(context):
    return (unhex(context["session"]) + be(context["round"], 8)
            + be(context["slot"], 1) + be(context["direction"], 1))


def signed(context, content):
    sender, recipient = (key_hash(unhex(context[who])) for who in ("sender", "recipient"))
    return b"talaria v1 message signature" + place(context) + sender + recipient + content


def tag(context, covered):
    text = b"talaria v1 message mac" + place(context) + unhex(context["network"]) + covered
    return hmac.new(unhex(context["authentication_key"]), text, hashlib.sha256).digest()


def encode_content(fields):
    body = unhex(fields["body"])
    return CONTENT.pack(
        fields["kind"], 1 if fields["done"] else 0, len(body), fields["seq"], fields["ack"],
        fields["selective_ack"], fields["message_id"], fields["fragment_index"],
        fields["fragment_count"], fields["sent_ms"], fields["stream"], fields["ack_stream"],
        unhex(fields["ack_digest"]), unhex(fields["ratchet"]), body)


def decode_content(content):
    fields = dict(zip(FIELDS, CONTENT.unpack(content), strict=True))
    length, body, flags = fields.pop("length"), fields["body"], fields.pop("flags")
    index, count = fields["fragment_index"], fields["fragment_count"]
    sound = fields["kind"] <= 4 and flags <= 1 and length <= 320 and not any(body[length:])
    if fields["kind"] == 1:
        sound = sound and index < count
    else:
        sound = sound and index == count == 0 and length == (112 if fields["kind"] == 4 else 0)
    if fields["ack_stream"] == 0:
        sound = sound and fields["ack"] == fields["selective_ack"] == 0
        sound = sound and not any(fields["ack_digest"])
    if not sound or fields["stream"] == 0:
        raise Bad("content")
    return fields | {"done": flags == 1, "body": body[:length].hex(),
                     "ack_digest": fields["ack_digest"].hex(),
                     "ratchet": fields["ratchet"].hex()}


def digest_of(fields, before=bytes(8)):
    """What is in a stream with one more unit."""
    body = unhex(fields["body"])
    return derive("StreamDigest", 8, before, be(fields["kind"], 1), be(fields["seq"], 4),
                  be(fields["message_id"], 4), be(fields["fragment_index"], 2),
                  be(fields["fragment_count"], 2), be(fields["sent_ms"], 8), be(len(body), 2),
                  body.ljust(320, bytes(1)))


def cbc(context, iv):
    return Cipher(algorithms.AES(unhex(context["encryption_key"])), modes.CBC(iv))


def seal_message(context, sender, iv, content):
    signature = sign(sender, signed(context, content))
    encryptor = cbc(context, iv).encryptor()
    covered = iv + encryptor.update(content + signature) + encryptor.finalize()
    return signature, covered + tag(context, covered)


def open_message(context, message):
    covered, mac = message[:480], message[480:]
    if len(message) != 512 or not hmac.compare_digest(tag(context, covered), mac):
        raise Bad("mac")
    decryptor = cbc(context, covered[:16]).decryptor()
    plaintext = decryptor.update(covered[16:]) + decryptor.finalize()
    content, signature = plaintext[:400], plaintext[400:]
    if not verify(unhex(context["sender"]), signed(context, content), signature):
        raise Bad("signature")
    return decode_content(content)


# Section 9: the keywheel.

def wheel_epochs(root, rounds):
    """Eras and epochs in which the rounds lie."""
    eras, epochs = {}, {}
    for epoch in sorted({round_ // 4096 for round_ in rounds}):
        era, secret = epoch // 4096, root
        for n in range(era + 1):
            secret = derive("WheelEra", 32, secret, be(n, 8))
        eras[era] = secret
        for n in range(4096 * era, epoch + 1):
            secret = derive("WheelEpoch", 32, secret, be(n, 8))
        start = derive("WheelStart", 32, secret, be(4096 * epoch, 8))
        epochs[epoch] = (secret, start)
    return eras, epochs


def wheel_round(epochs, round_):
    secret = epochs[round_ // 4096][1]
    for turn in range(round_ // 4096 * 4096 + 1, round_ + 1):
        secret = derive("WheelTurn", 32, secret, be(turn, 8))
    return secret


def wheel_slot(secret, round_, slot):
    def keys(direction):
        both = derive("MessageKeys", 64, secret, be(round_, 8), be(slot, 1), be(direction, 1))
        return {"encryption": both[:32].hex(), "authentication": both[32:].hex()}

    dead_drop = derive("DeadDrop", 16, secret, be(round_, 8), be(slot, 1))
    return {"dead_drop": dead_drop.hex(), "from_lower": keys(0), "from_higher": keys(1)}


# Section 11: the network file.

def number(table, key, low, high):
    value = table.pop(key, None)
    if type(value) is not int or not low <= value <= high:
        raise Bad(key)
    return value


def string(table, key):
    value = table.pop(key, None)
    if not isinstance(value, str):
        raise Bad(key)
    return value


def label(table, name):
    text = string(table, name)
    if len(text) > 64 or not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9 ._@-]*[A-Za-z0-9])?", text):
        raise Bad(name)
    return text_bytes(text)


def address(table):
    text = string(table, "address")
    host, _, port = text.rpartition(":")
    if not host or not re.fullmatch(r"[0-9]+", port) or int(port) > 65535:
        raise Bad("address")
    if len(text) > 255 or not re.fullmatch(r"[!-~]+", text):
        raise Bad("address")
    return text_bytes(text)


def text_bytes(text):
    return be(len(text), 1) + text.encode()


def key(table, name, length):
    text = string(table, name)
    if not re.fullmatch(r"[0-9A-Fa-f]{%d}" % (2 * length), text):
        raise Bad(name)
    return unhex(text)


def identity(table):
    point = key(table, "identity", 33)
    p256_public(point)
    return point


def moment(table, name):
    """Seconds since the Unix epoch."""
    text = string(table, name)
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text):
        raise Bad(name)
    try:
        seconds = datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Bad(name) from None
    return int(seconds)


def sub(table, name):
    value = table.pop(name, None)
    if not isinstance(value, dict):
        raise Bad(name)
    return value


def entry_bytes(entry):
    out = label(entry, "operator") + address(entry)
    pem = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----",
                    string(entry, "ca"), re.DOTALL)
    if pem is None:
        raise Bad("ca")
    point = identity(entry)
    return point, out + point + blake3(base64.b64decode(pem.group(1))).digest()


def identity_bytes(table):
    out, point = address(table), key(table, "key", 33)
    p256_public(point)
    return point, out + point


def hop_bytes(hop):
    out, point = label(hop, "operator") + address(hop), identity(hop)
    return point, out + point


class NetworkFile:
    """A network file within all limits; its signatures have not been looked at."""

    def __init__(self, text):
        if len(text.encode()) > 65536:
            raise Bad("length")
        try:
            file = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            raise Bad("toml") from None
        number(file, "version", 3, 3)
        name = label(file, "name")
        self.sequence = number(file, "sequence", 1, (1 << 63) - 1)
        later = self.sequence > 1
        if ("origin" in file) != later or ("previous" in file) != later:
            raise Bad("history")
        self.origin = key(file, "origin", 32) if later else bytes(32)
        self.previous = key(file, "previous", 32) if later else bytes(32)
        self.start, self.end = moment(file, "valid_from"), moment(file, "valid_until")
        if self.start >= self.end:
            raise Bad("validity")
        self.period = number(file, "period_ms", 50, 3_600_000)
        lanes = number(file, "lanes", 1, 16)
        epoch = number(file, "epoch_rounds", 2, 65536)
        dialing, noise = sub(file, "dialing"), sub(file, "noise")
        every = number(dialing, "every", 1, 1000)
        onions, alpha = number(noise, "onions", 0, 4_000_000), number(noise, "alpha_tenths", 20, 40)
        if onions % 2:
            raise Bad("noise")
        goal = bytes(16)
        if "goal" in noise:
            table = sub(noise, "goal")
            goal = (be(number(table, "epsilon_millionths", 1, (1 << 32) - 1), 4)
                    + be(number(table, "delta_billionths", 1, 10**9), 4)
                    + be(number(table, "charged_rounds", 1, (1 << 63) - 1), 8))
            noise.update(table)
        entry, service = sub(file, "entry"), sub(file, "identity")
        hops = file.pop("hop", [])
        signatures = file.pop("signature", [])
        if not isinstance(hops, list) or not 1 <= len(hops) <= 16:
            raise Bad("hop")
        point, encoded = entry_bytes(entry)
        self.entry, self.hops = point, []
        directory, one = identity_bytes(service)
        encoded += one
        encoded += be(len(hops), 1)
        for hop in hops:
            point, one = hop_bytes(hop)
            self.hops.append(point)
            encoded += one
        keys = [self.entry, directory, *self.hops]
        if len(set(keys)) < len(keys):
            raise Bad("a key stands twice")
        self.signatures = {}
        for one in signatures:
            self.signatures[identity(one)] = key(one, "signature", 64)
        if len(self.signatures) < len(signatures) or len(signatures) > 33:
            raise Bad("signatures")
        if file or entry or service or dialing or noise or any(hops) or any(signatures):
            raise Bad("unknown key")
        self.hashed = (be(3, 1) + name + be(self.sequence, 8) + self.origin + self.previous
                       + be(self.start, 8) + be(self.end, 8) + be(self.period, 8) + be(lanes, 1)
                       + be(every, 2) + be(onions, 4) + be(alpha, 1) + goal + be(epoch, 4)
                       + encoded)
        self.hash = derive("NetworkVersion", 32, self.hashed)
        self.network = self.origin if later else self.hash

    def check_signed(self):
        message = b"talaria v1 network signature" + self.hash
        for point, signature in self.signatures.items():
            if not verify(point, message, signature):
                raise Bad("wrong signature")
        if any(point not in self.signatures for point in (self.entry, *self.hops)):
            raise Bad("missing signature")

    def check_successor(self, known):
        if self.network != known.network:
            raise Bad("other network")
        if self.hash == known.hash:
            return
        if self.sequence == known.sequence:
            raise Bad("forked")
        if self.sequence < known.sequence:
            raise Bad("rolled back")
        if self.sequence == known.sequence + 1 and self.previous != known.hash:
            raise Bad("other previous")
        if self.period != known.period:
            raise Bad("other period")
        if any(point not in self.signatures for point in known.hops):
            raise Bad("not signed before")

    def verify(self, now, known):
        self.check_signed()
        if known is not None:
            known.check_signed()
            self.check_successor(known)
        if now < self.start:
            raise Bad("not yet valid")
        if now >= self.end:
            raise Bad("expired")


def public_part(text):
    """Refuses whatever is no public part that its own key has signed."""
    file = tomllib.loads(text)
    signature = key(file, "signature", 64)
    if set(file) == {"entry", "identity"}:
        point, encoded = entry_bytes(file["entry"])
        encoded = be(0, 1) + encoded + identity_bytes(file["identity"])[1]
    elif set(file) == {"hop"}:
        point, encoded = hop_bytes(file["hop"])
        encoded = be(1, 1) + encoded
    else:
        raise Bad("role")
    if any(file.values()):
        raise Bad("unknown key")
    message = b"talaria v1 public part signature" + derive("PublicPart", 32, encoded)
    if not verify(point, message, signature):
        raise Bad("signature")


# Section 12: frames.

KINDS = {"Control": 0, "Announcement": 1, "Submission": 2, "Replies": 3, "BatchHead": 4, "Chunk": 5,
         "EpochKeys": 6}


def frame(kind, body):
    return be(KINDS[kind], 1) + be(len(body), 3) + body


def allowed(kind, length, sender, hops, lanes):
    onions = 2 * lanes * (528 + 48 * hops)
    replies = 2 * lanes * (512 + 16 * hops)
    return {
        (0, "client"): length <= 4096,
        (0, "entry"): length <= 4096,
        (0, "link"): length <= 4096,
        (1, "entry"): length == 16,
        (2, "client"): length == 8 + onions,
        (3, "entry"): length == 16 + replies,
        (4, "link"): length == 14,
        (5, "link"): 1 <= length <= 65536,
        (6, "entry"): length == 10 + 96 * hops,
        (6, "link"): length in [10 + 96 * keys for keys in range(1, 17)],
    }.get((kind, sender), False)


def decode_frame(data, sender, hops, lanes):
    kind, length, body = data[0], int.from_bytes(data[1:4], "big"), data[4:]
    if len(data) < 4 or not allowed(kind, length, sender, hops, lanes):
        raise Bad("header")
    if length != len(body):
        raise Bad("body")
    round_ = int.from_bytes(body[:8], "big")
    if kind == 1:
        return {"kind": "Announcement", "round": round_,
                "opens_in_ms": int.from_bytes(body[8:12], "big"),
                "closes_in_ms": int.from_bytes(body[12:], "big")}
    if kind == 2:
        return {"kind": "Submission", "round": round_, "onions": body[8:].hex()}
    if kind == 3:
        if body[8] > 2 or any(body[9:16]):
            raise Bad("body")
        return {"kind": "Replies", "round": round_, "outcome": body[8],
                "replies": body[16:].hex()}
    if kind == 4:
        slots, slot_len = struct.unpack(">IH", body[8:])
        return {"kind": "BatchHead", "round": round_, "slots": slots, "slot_len": slot_len}
    if kind == 5:
        return {"kind": "Chunk", "piece": body.hex()}
    if kind == 6:
        if body[9] * 96 + 10 != len(body):
            raise Bad("body")
        keys = [body[at:at + 96].hex() for at in range(10, len(body), 96)]
        return {"kind": "EpochKeys", "epoch": round_, "first": body[8], "keys": keys}
    raise Bad("body")


def encode_frame(fields):
    kind = fields["kind"]
    if kind == "Announcement":
        return frame(kind, be(fields["round"], 8) + be(fields["opens_in_ms"], 4)
                     + be(fields["closes_in_ms"], 4))
    if kind == "Submission":
        return frame(kind, be(fields["round"], 8) + unhex(fields["onions"]))
    if kind == "Replies":
        head = be(fields["round"], 8) + be(fields["outcome"], 1) + bytes(7)
        return frame(kind, head + unhex(fields["replies"]))
    if kind == "BatchHead":
        return frame(kind, struct.pack(">QIH", fields["round"], fields["slots"],
                                       fields["slot_len"]))
    if kind == "EpochKeys":
        head = be(fields["epoch"], 8) + be(fields["first"], 1) + be(len(fields["keys"]), 1)
        return frame(kind, head + b"".join(map(unhex, fields["keys"])))
    return frame(kind, unhex(fields["piece"]))


# Section 13: control messages, with as much of MessagePack as they need.

REASONS = {
    "Refused": {"Version", "Network", "Outdated", "Behind", "Forked", "Certificate", "Unchecked",
                "Disabled", "Full", "ShuttingDown"},
    "Abort": {"AlreadyRun", "NotRecorded", "Busy", "BadBatch", "Unreachable", "TooSlow",
              "WrongCount", "NoKeys", "ShuttingDown"},
    "Paused": {"Unreachable", "NoKeys"},
    "Goodbye": {"ShuttingDown", "Idle", "Protocol", "Replaced", "Disabled", "Superseded"},
}
LINK_STATES = {
    "Last", "Up", "Starting", "NoAddress", "NobodyListens", "Unreachable", "TimedOut",
    "Silent", "AnotherKey", "KeyRefused", "NoLink", "Version", "Network", "Outdated", "Behind", "Forked",
    "Full", "ShuttingDown", "Broken", "Malformed",
}
MESSAGES = {
    "Hello": ["protocol", "network", "sequence", "version"],
    "Welcome": ["protocol"],
    "Refused": ["reason"],
    "Abort": ["round", "reason"],
    "Paused": ["reason"],
    "Goodbye": ["reason"],
    "Probe": ["id"],
    "Report": ["id", "hop", "round_trip_us", "round", "sequence", "version", "program", "link"],
}


def pack(value):
    if isinstance(value, str):
        return be(0xA0 | len(value), 1) + value.encode()
    if isinstance(value, dict):
        return be(0x80 | len(value), 1) + b"".join(pack(k) + pack(v) for k, v in value.items())
    if isinstance(value, list):
        return b"\xdc" + be(len(value), 2) + b"".join(map(pack, value))
    if value < 0x80:
        return be(value, 1)
    width = next(w for w in (1, 2, 4, 8) if value < 1 << 8 * w)
    return be({1: 0xCC, 2: 0xCD, 4: 0xCE, 8: 0xCF}[width], 1) + be(value, width)


def unpack(data, at=0):
    """One value in its shortest encoding, and where it ends. Nothing else is understood."""
    try:
        first, at = data[at], at + 1
    except IndexError:
        raise Bad("end") from None
    if first < 0x80:
        return first, at
    if first in (0xCC, 0xCD, 0xCE, 0xCF):
        end = at + (1 << first - 0xCC)
        return int.from_bytes(data[at:end], "big"), end
    if first & 0xE0 == 0xA0:
        end = at + (first & 0x1F)
        return data[at:end].decode("ascii", "replace"), end
    if first & 0xF0 == 0x80:
        value = {}
        for _ in range(first & 0x0F):
            name, at = unpack(data, at)
            if not isinstance(name, str) or name in value:
                raise Bad("name")
            value[name], at = unpack(data, at)
        return value, at
    if first == 0xDC:
        items = []
        count, at = int.from_bytes(data[at:at + 2], "big"), at + 2
        for _ in range(count):
            item, at = unpack(data, at)
            items.append(item)
        return items, at
    raise Bad("type")


def is_hash(value):
    return (isinstance(value, list) and len(value) == 32
            and all(type(byte) is int and byte < 256 for byte in value))


def decode_control(body):
    message, _ = unpack(body)
    if pack(message) != body:
        raise Bad("encoding")
    if not isinstance(message, dict) or len(message) != 1:
        raise Bad("message")
    [(name, fields)] = message.items()
    if not isinstance(fields, dict) or list(fields) != MESSAGES.get(name):
        raise Bad("fields")
    for field, value in fields.items():
        good = {
            "protocol": lambda v: type(v) is int and v < 1 << 16,
            "round": lambda v: type(v) is int,
            "sequence": lambda v: type(v) is int,
            "network": is_hash,
            "version": is_hash,
            "reason": lambda v: v in REASONS[name],
            "id": lambda v: type(v) is int,
            "hop": lambda v: type(v) is int and v < 1 << 8,
            "round_trip_us": lambda v: type(v) is int and v < 1 << 32,
            "program": lambda v: isinstance(v, str) and 1 <= len(v) <= 31
            and all("!" <= char <= "~" for char in v),
            "link": lambda v: v in LINK_STATES,
        }[field]
        if not good(value):
            raise Bad(field)
    return message


# Section 15: epoch keys.

def epoch_key_signed(version, hop, epoch, epoch_rounds, key):
    return (b"talaria v1 epoch key signature" + version + be(hop, 1) + be(epoch, 8)
            + be(epoch_rounds, 4) + key)


def first_unsigned(body, version, epoch_rounds, identities):
    """The first hop that has not signed its key so, or None."""
    epoch, first, count = int.from_bytes(body[:8], "big"), body[8], body[9]
    if len(body) != 10 + 96 * count:
        raise Bad("length")
    for i in range(count):
        key, signature = body[10 + 96 * i:][:32], body[42 + 96 * i:][:64]
        signed = epoch_key_signed(version, first + i, epoch, epoch_rounds, key)
        if not verify(identities[first + i], signed, signature) or x25519(be(8, 32), key) is None:
            return first + i
    return None


# Section 17: names. Which characters are identifiers and which scripts go together is not known
# here beyond what the vectors need: letters, and at most one of these alphabets.

ALPHABETS = "LATIN", "GREEK", "CYRILLIC"


def user_name(written):
    name = unicodedata.normalize("NFKC", written.strip())
    for _ in range(4):
        name = unicodedata.normalize("NFKC", name.casefold())
    if not 3 <= len(name) <= 32:
        raise Bad("length")
    joint = True
    for char in name:
        mark = unicodedata.category(char).startswith("M")
        if not (char.isalnum() or mark or char in "-_."):
            raise Bad("character")
        if joint and (mark or char in "-_."):
            raise Bad("punctuation")
        joint = char in "-_."
    if joint:
        raise Bad("punctuation")
    words = {unicodedata.name(char).split()[0] for char in name if char.isalpha()}
    if len(words & set(ALPHABETS)) > 1:
        raise Bad("mixed scripts")
    return name


# Section 18: wrapping.

def wrap(export_key, thing, salt, plain):
    key = derive("Wrapping", 32, export_key, be(thing, 1), salt)
    return salt + AESGCM(key).encrypt(NONCE, plain, None)


# Section 20: the directory.

HIDDEN = ((0x80, 0xA0), (0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x2000, 0x200F),
          (0x2028, 0x202F), (0x205F, 0x206F), (0x3000, 0x3000), (0xE000, 0xF8FF), (0xFEFF, 0xFEFF),
          (0xFFF0, 0xFFFB), (0xE0000, 0x10FFFF))


def never_in_a_name(c):
    if c < 0x80:
        return chr(c) not in "abcdefghijklmnopqrstuvwxyz0123456789-_."
    return any(first <= c <= last for first, last in HIDDEN)


def decode_entry(data):
    if len(data) < 147 or len(data) != 147 + data[146]:
        raise Bad("length")
    cause, point, signature = data[16], data[17:50], data[82:146]
    p256_public(point)
    if cause > 6 or (cause != 3 and any(signature)):
        raise Bad("entry")
    try:
        name = data[147:].decode("utf-8")
    except UnicodeDecodeError:
        raise Bad("name") from None
    if not 3 <= len(name) <= 32 or any(map(never_in_a_name, map(ord, name))):
        raise Bad("name")
    return {
        "index": int.from_bytes(data[:8], "big"),
        "time": int.from_bytes(data[8:16], "big"),
        "cause": cause,
        "key": point,
        "certificate": data[50:82],
        "signature": signature,
        "name": name,
    }


class Copy:
    """A copy of the directory, as section 20 says one is kept."""

    def __init__(self, network, service):
        self.network, self.service = network, service
        self.entries, self.time, self.users = 0, 0, {}
        self.hash = derive("DirectoryStart", 32, network)
        self.hashes, self.signed = [self.hash], None

    def take(self, data):
        entry = decode_entry(data)
        if entry["index"] != self.entries:
            raise Bad("gap")
        old = self.users.get(entry["name"])
        cause, key, certificate = entry["cause"], entry["key"], entry["certificate"]
        if old is None:
            possible = cause == 0
        else:
            same_key, same_certificate = key == old["key"], certificate == old["certificate"]
            active, same = old["cause"] not in (4, 6), same_key and same_certificate
            possible = {
                0: False,
                1: active and same_key and not same_certificate,
                2: active and same_key and not same_certificate,
                3: active and not same_key and not same_certificate,
                4: active and same,
                5: old["cause"] == 4 and same,
                6: old["cause"] != 6 and same,
            }[cause]
        if not possible:
            raise Bad("contradiction")
        since = entry["index"] if old is None or cause == 3 else old["since"]
        if cause == 3:
            signed = derive("KeyRotation", 32, self.network, be(old["since"], 8), old["key"], key,
                            entry["name"].encode())
            if not verify(old["key"], signed, entry["signature"]):
                raise Bad("forged rotation")
        if entry["time"] < self.time:
            raise Bad("contradiction")
        self.users[entry["name"]] = entry | {"since": since}
        self.hash = derive("DirectoryEntry", 32, self.hash, data)
        self.hashes.append(self.hash)
        self.entries, self.time = self.entries + 1, entry["time"]

    def append(self, entries, head, now):
        count, hash_, time = head[:8], head[8:40], head[40:48]
        signed = derive("DirectoryHead", 32, self.network, count, hash_, time)
        if len(head) != 112 or not verify(self.service, signed, head[48:]):
            raise Bad("unsigned")
        count, time = int.from_bytes(count, "big"), int.from_bytes(time, "big")
        if time > now + 600:
            raise Bad("future")
        before = self.entries
        if count <= before and hash_ != self.hashes[count]:
            raise Bad("two stories" if self.signed else "forked")
        if self.signed is not None and count < before and time > self.signed + 600:
            raise Bad("two stories")
        if self.signed is not None and count > before and self.signed > time + 600:
            raise Bad("two stories")
        if count < before or count == before and entries:
            raise Bad("behind")
        for entry in entries:
            self.take(entry)
        if self.time > now + 600:
            raise Bad("future")
        if count != self.entries:
            raise Bad("uncovered")
        if hash_ != self.hash:
            raise Bad("forked")
        self.signed = time


# Section 21: the ledger.

CHARGE = struct.Struct(">QQII")
CHARGE_FIELDS = ("charged", "rounds", "epsilon_millionths", "delta_billionths")
PLACES = 200


def ledger_key(secret, salt):
    return AESGCM(derive("LedgerKey", 32, secret, salt))


def seal_ledger(secret, salt, reserve, others, places):
    def packed(charge):
        return CHARGE.pack(*(charge[field] for field in CHARGE_FIELDS))

    plain = packed(reserve) + packed(others)
    plain += b"".join(partner + packed(charge) for partner, charge in places)
    plain += bytes((PLACES - len(places)) * (16 + CHARGE.size))
    return salt + ledger_key(secret, salt).encrypt(NONCE, plain, None)


def open_ledger(record, secret):
    """Reserve, others and places by partner."""
    if len(record) != 8096:
        raise Bad("length")
    try:
        plain = ledger_key(secret, record[:32]).decrypt(NONCE, record[32:], None)
    except InvalidTag:
        raise Bad("tag") from None

    def charge(at):
        return dict(zip(CHARGE_FIELDS, CHARGE.unpack_from(plain, at), strict=True))

    places = {}
    for at in range(2 * CHARGE.size, len(plain), 16 + CHARGE.size):
        partner = plain[at:at + 16]
        if not any(partner):
            break
        places[partner] = charge(at + 16)
    return charge(0), charge(CHARGE.size), places


def taken_over(ledger, partner):
    reserve, others, places = ledger
    parts = [part for part in (places.get(partner, others), reserve) if part["charged"] > 0]
    if not parts:
        return dict.fromkeys(CHARGE_FIELDS, 0)
    return {"charged": sum(part["charged"] for part in parts),
            "rounds": min(part["rounds"] for part in parts),
            "epsilon_millionths": max(part["epsilon_millionths"] for part in parts),
            "delta_billionths": max(part["delta_billionths"] for part in parts)}


# The files.

class Checks:
    """Counts what holds and says what does not."""

    def __init__(self):
        self.passed = self.failed = 0

    def equal(self, what, got, expected):
        if got == expected:
            self.passed += 1
        else:
            self.failed += 1
            print(f"  FAILED {what}: {short(got)} is not {short(expected)}")

    def refused(self, what, step, function, *arguments):
        """`step` None: any refusal will do."""
        try:
            function(*arguments)
            at = "nothing"
        except Bad as bad:
            at = bad.args[0]
        self.equal(what, at if step else at != "nothing", step or True)

    def complete(self, what, table, *names):
        """Every field of a table is one that is checked here."""
        self.equal(f"fields of {what}", set(table), set(names))


def differences(these, those):
    return sum(this != that for this, that in zip(these, those, strict=True))


def short(value):
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_onion(file, c):
    c.complete("the file", file, "inputs", "hop_publics", "request", "onions", "reply_keys",
               "replies", "bad_onions", "bad_replies")
    given = file["inputs"]
    c.complete("the inputs", given, "round", "hop_secrets", "ephemeral_secrets", "dead_drop",
               "message", "answer")
    secrets = [unhex(secret) for secret in given["hop_secrets"]]
    chain = [x25519_public(secret) for secret in secrets]
    request = unhex(given["dead_drop"]) + unhex(given["message"])
    c.equal("hop_publics", [public.hex() for public in chain], file["hop_publics"])
    c.equal("request", request.hex(), file["request"])
    ephemerals = [unhex(secret) for secret in given["ephemeral_secrets"]]
    onions, reply_keys = seal_onion(request, chain, ephemerals, given["round"])
    c.equal("onions", [onion.hex() for onion in onions], file["onions"])
    c.equal("reply_keys", [key.hex() for key in reply_keys], file["reply_keys"])
    for hop, secret in enumerate(secrets):
        inner, reply_key = peel(unhex(file["onions"][hop]), secret, chain[hop + 1:],
                                given["round"], hop)
        c.equal(f"hop {hop} peels", inner.hex(), file["onions"][hop + 1])
        c.equal(f"hop {hop} derives", reply_key.hex(), file["reply_keys"][hop])
    replies = [unhex(given["answer"])]
    for reply_key in reversed(reply_keys):
        replies.append(AESGCM(reply_key).encrypt(NONCE, replies[-1], None))
    c.equal("replies", [reply.hex() for reply in replies], file["replies"])
    home = open_reply(unhex(file["replies"][-1]), reply_keys)
    c.equal("the reply opens", home.hex(), given["answer"])
    for bad in file["bad_onions"]:
        c.complete(bad["name"], bad, "name", "hop", "round", "hop_secret", "behind", "onion",
                   "sound")
        c.equal(f"{bad['name']}: sound", bad["sound"], False)
        hop = min(bad["hop"], len(chain) - 1)
        behind = file["hop_publics"][hop + 1:]
        good = (hop, given["round"], given["hop_secrets"][hop], behind, file["onions"][hop])
        c.equal(f"{bad['name']}: number of faults", differences(
            (bad["hop"], bad["round"], bad["hop_secret"], bad["behind"], bad["onion"]), good), 1)
        step = "zero" if "low-order" in bad["name"] else "tag"
        c.refused(bad["name"], step, peel, unhex(bad["onion"]), unhex(bad["hop_secret"]),
                  [unhex(key) for key in bad["behind"]], bad["round"], bad["hop"])
        if step == "zero":
            ephemeral, sealed = unhex(bad["onion"])[:32], unhex(bad["onion"])[32:]
            keys = layer_keys(bytes(32), ephemeral, chain[bad["hop"]:], bad["round"],
                              bad["hop"])
            inner = AESGCM(keys[0]).decrypt(NONCE, sealed, None).hex()
            c.equal(f"{bad['name']}: the tag does fit", inner, file["onions"][bad["hop"] + 1])
    for bad in file["bad_replies"]:
        c.complete(bad["name"], bad, "name", "reply", "opens")
        c.equal(f"{bad['name']}: opens", bad["opens"], False)
        c.refused(bad["name"], None, open_reply, unhex(bad["reply"]), reply_keys)


CONTEXT = ("sender", "recipient", "session", "round", "slot", "direction", "network",
           "encryption_key", "authentication_key")
FAULTS = {"mac": [1], "signature": [0, 1], "content": [0]}


def check_peer_message(file, c):
    c.complete("the file", file, "identities", "good", "bad")
    secrets = {}
    for member in file["identities"]:
        c.complete(member["name"], member, "name", "secret", "public", "hash")
        secret = p256_secret(unhex(member["secret"]))
        public = compressed(secret)
        secrets[public.hex()] = secret
        c.equal(f"{member['name']}: public", public.hex(), member["public"])
        c.equal(f"{member['name']}: hash", key_hash(public).hex(), member["hash"])
    for good in file["good"]:
        name, context = good["name"], good["context"]
        c.complete(name, good, "name", "context", "iv", "fields", "content", "signature",
                   "digest", "base", "message")
        c.complete(f"{name}: context", context, *CONTEXT)
        content = encode_content(good["fields"])
        c.equal(f"{name}: content", content.hex(), good["content"])
        signature, message = seal_message(
            context, secrets[context["sender"]], unhex(good["iv"]), content)
        c.equal(f"{name}: signature", signature.hex(), good["signature"])
        digest = digest_of(good["fields"])
        c.equal(f"{name}: digest", digest.hex(), good["digest"])
        base = derive("StreamBase", 8, digest, be(good["fields"]["stream"], 4), be(7, 4))
        c.equal(f"{name}: base", base.hex(), good["base"])
        c.equal(f"{name}: message", message.hex(), good["message"])
        c.equal(f"{name}: opens", open_message(context, unhex(good["message"])), good["fields"])
        lower, higher = sorted([context["sender"], context["recipient"]])
        direction = [lower, higher].index(context["sender"])
        c.equal(f"{name}: direction", context["direction"], direction)
    for bad in file["bad"]:
        c.complete(bad["name"], bad, "name", "context", "message", "opens", "fails_at")
        c.complete(f"{bad['name']}: context", bad["context"], *CONTEXT)
        # All are made of the first good one. Behind a tag that fits nothing can be altered.
        good, step = file["good"][0], bad["fails_at"]
        faults = differences(bad["context"].values(), good["context"].values())
        faults += step == "mac" and bad["message"] != good["message"]
        c.equal(f"{bad['name']}: faults outside", faults in FAULTS[step], True)
        c.equal(f"{bad['name']}: opens", bad["opens"], False)
        c.refused(bad["name"], bad["fails_at"], open_message, bad["context"],
                  unhex(bad["message"]))


def check_keywheel(file, c):
    c.complete("the file", file, "inputs", "lower_public", "higher_public", "ecdh_x", "root",
               "session_id", "origin", "eras", "epochs", "rounds")
    given = file["inputs"]
    c.complete("the inputs", given, "secrets", "since", "network", "rounds")
    members = sorted((p256_secret(unhex(s)) for s in given["secrets"]), key=compressed)
    lower, higher = map(compressed, members)
    c.equal("lower_public", lower.hex(), file["lower_public"])
    c.equal("higher_public", higher.hex(), file["higher_public"])
    shared = members[0].exchange(ec.ECDH(), members[1].public_key())
    c.equal("ecdh_x", shared.hex(), file["ecdh_x"])
    origin = max(given["since"])
    c.equal("origin", origin, file["origin"])
    root = derive("SessionRoot", 32, shared, lower, higher, unhex(given["network"]), be(origin, 8))
    c.equal("root", root.hex(), file["root"])
    c.equal("session_id", derive("SessionId", 32, root).hex(), file["session_id"])
    eras, epochs = wheel_epochs(root, given["rounds"])
    c.equal("eras", [{"era": era, "secret": secret.hex()} for era, secret in eras.items()],
            file["eras"])
    c.equal("epochs", [
        {"epoch": epoch, "secret": secret.hex(), "first_round": 4096 * epoch, "start": start.hex()}
        for epoch, (secret, start) in epochs.items()], file["epochs"])
    c.equal("number of rounds", len(file["rounds"]), len(given["rounds"]))
    for turn, round_ in zip(file["rounds"], given["rounds"], strict=False):
        c.complete(f"round {round_}", turn, "round", "secret", "slots")
        secret = wheel_round(epochs, round_)
        c.equal("round", round_, turn["round"])
        c.equal(f"round {round_}: secret", secret.hex(), turn["secret"])
        slots = [wheel_slot(secret, round_, slot) for slot in (0, 1)]
        c.equal(f"round {round_}: slots", slots, turn["slots"])


def check_network(file, c):
    c.complete("the file", file, "good", "bad", "verified", "public_parts")
    for good in file["good"]:
        c.complete(good["name"], good, "name", "file", "hashed", "version", "network")
        read = NetworkFile(good["file"])
        c.equal(f"{good['name']}: hashed", read.hashed.hex(), good["hashed"])
        c.equal(f"{good['name']}: version", read.hash.hex(), good["version"])
        c.equal(f"{good['name']}: network", read.network.hex(), good["network"])
    for bad in file["bad"]:
        c.complete(bad["name"], bad, "name", "file", "parses")
        c.equal(f"{bad['name']}: parses", bad["parses"], False)
        c.refused(bad["name"], None, NetworkFile, bad["file"])
    for one in file["verified"]:
        c.complete(one["name"], one, "name", "file", "known", "now", "outcome")
        known = one["known"] and NetworkFile(one["known"])
        read = NetworkFile(one["file"])
        if one["outcome"] == "valid":
            c.equal(one["name"], read.verify(one["now"], known), None)
        else:
            c.refused(one["name"], one["outcome"], read.verify, one["now"], known)
    for part in file["public_parts"]:
        c.complete(part["name"], part, "name", "file", "parses")
        if part["parses"]:
            c.equal(part["name"], public_part(part["file"]), None)
        else:
            c.refused(part["name"], None, public_part, part["file"])


def check_frames(file, c):
    c.complete("the file", file, "hops", "lanes", "good", "bad")
    shape = file["hops"], file["lanes"]
    for good in file["good"]:
        name = good["fields"]["kind"]
        c.complete(name, good, "from", "fields", "frame")
        c.equal(f"{name}: encodes", encode_frame(good["fields"]).hex(), good["frame"])
        fields = decode_frame(unhex(good["frame"]), good["from"], *shape)
        c.equal(f"{name}: decodes", fields, good["fields"])
    for bad in file["bad"]:
        c.complete(bad["name"], bad, "name", "from", "frame", "refused_by")
        c.refused(bad["name"], bad["refused_by"], decode_frame, unhex(bad["frame"]), bad["from"],
                  *shape)


def check_control(file, c):
    c.complete("the file", file, "good", "bad")
    for good in file["good"]:
        c.complete(str(good["message"])[:20], good, "message", "frame")
        c.equal(good["message"], frame("Control", pack(good["message"])).hex(), good["frame"])
        c.equal("it decodes", decode_control(unhex(good["frame"])[4:]), good["message"])
    for bad in file["bad"]:
        c.complete(bad["name"], bad, "name", "body", "decodes")
        c.equal(f"{bad['name']}: decodes", bad["decodes"], False)
        c.refused(bad["name"], None, decode_control, unhex(bad["body"]))


def check_epoch_keys(file, c):
    c.complete("the file", file, "version", "epoch_rounds", "identity_secrets", "onion_keys",
               "good", "bad")
    version, rounds = unhex(file["version"]), file["epoch_rounds"]
    secrets = [p256_secret(unhex(secret)) for secret in file["identity_secrets"]]
    keys = [unhex(key) for key in file["onion_keys"]]
    for good in file["good"]:
        c.complete("an announcement", good, "epoch", "first", "frame")
        body = be(good["epoch"], 8) + be(good["first"], 1) + be(3 - good["first"], 1)
        for hop in range(good["first"], 3):
            signed = epoch_key_signed(version, hop, good["epoch"], rounds, keys[hop])
            body += keys[hop] + sign(secrets[hop], signed)
        c.equal("an announcement", (b"\x06" + be(len(body), 3) + body).hex(), good["frame"])
    for bad in file["bad"]:
        c.complete(bad["name"], bad, "name", "body", "refused_at")
        at = first_unsigned(unhex(bad["body"]), version, rounds, list(map(compressed, secrets)))
        c.equal(bad["name"], at, bad["refused_at"])
        c.equal(f"{bad['name']}: refused", at is None, False)


def check_identity(file, c):
    c.complete("the file", file, "names", "wrapped", "renewal", "entry_time", "ledgers",
               "directory")
    for name in file["names"]:
        c.complete(name["written"], name, "written", "name")
        if name["name"] is None:
            c.refused(name["written"], None, user_name, name["written"])
        else:
            c.equal(name["written"], user_name(name["written"]), name["name"])
            c.equal(f"{name['name']} again", user_name(name["name"]), name["name"])
    for one in file["wrapped"]:
        c.complete("wrapped", one, "export_key", "thing", "salt", "plain", "wrapped")
        export_key, salt, plain = (unhex(one[key]) for key in ("export_key", "salt", "plain"))
        c.equal("wrapped", wrap(export_key, one["thing"], salt, plain).hex(), one["wrapped"])
    one = file["renewal"]
    c.complete("renewal", one, "secret", "network", "exporter", "csr", "signature")
    signed = derive("Renewal", 32, *(unhex(one[key]) for key in ("network", "exporter", "csr")))
    c.equal("renewal", sign(p256_secret(unhex(one["secret"])), signed).hex(), one["signature"])
    one = file["entry_time"]
    c.complete("entry time", one, "secret", "network", "exporter", "time_ms", "signature")
    signed = derive("EntryTime", 32, unhex(one["network"]), unhex(one["exporter"]),
                    be(one["time_ms"], 8))
    c.equal("entry time", sign(p256_secret(unhex(one["secret"])), signed).hex(), one["signature"])
    for one in file["ledgers"]:
        check_ledger(one, c)
    check_directory(file["directory"], c)


def check_ledger(one, c):
    c.complete("a ledger", one, "secret", "other_secret", "network", "reserve", "others", "places",
               "stranger", "stranger_taken_over", "salt", "record", "exporter", "after", "signature")
    secret, network, record = (unhex(one[key]) for key in ("secret", "network", "record"))
    for place in one["places"]:
        c.complete("a place", place, "name", "partner", "charge", "taken_over")
        partner = derive("LedgerPartner", 16, network, user_name(place["name"]).encode())
        c.equal("partner", partner.hex(), place["partner"])
    sealed = seal_ledger(secret, unhex(one["salt"]), one["reserve"], one["others"],
                         [(unhex(it["partner"]), it["charge"]) for it in one["places"]])
    c.equal("record", sealed.hex(), one["record"])
    opened = open_ledger(record, secret)
    for place in one["places"]:
        c.equal("taken over", taken_over(opened, unhex(place["partner"])), place["taken_over"])
    stranger = derive("LedgerPartner", 16, network, one["stranger"].encode())
    c.equal("taken over", taken_over(opened, stranger), one["stranger_taken_over"])
    c.equal("places", len(opened[2]), len(one["places"]))
    c.refused("another key", "tag", open_ledger, record, unhex(one["other_secret"]))
    c.refused("a cut record", "length", open_ledger, record[:-1], secret)
    signed = derive("LedgerUpdate", 32, network, unhex(one["exporter"]), be(one["after"], 8), record)
    c.equal("ledger update", sign(p256_secret(secret), signed).hex(), one["signature"])


def check_directory(file, c):
    c.complete("the directory", file, "network", "service_secret", "user_secrets", "entries",
               "hashes", "head", "pages", "bad_entries", "odd_entries")
    service = p256_secret(unhex(file["service_secret"]))
    network = unhex(file["network"])
    keys = [compressed(p256_secret(unhex(secret))) for secret in file["user_secrets"]]
    entries = [unhex(entry) for entry in file["entries"]]
    copy = Copy(network, compressed(service))
    for entry, hash_ in zip(entries, file["hashes"], strict=True):
        copy.take(entry)
        c.equal("hash", copy.hash.hex(), hash_)
        c.equal("a key of the cast", decode_entry(entry)["key"] in keys, True)
    rotation = derive("KeyRotation", 32, network, be(1, 8), keys[1], keys[3], "анна".encode())
    signature = sign(p256_secret(unhex(file["user_secrets"][1])), rotation)
    c.equal("rotation", decode_entry(entries[7])["signature"].hex(), signature.hex())
    time = be(1_900_000_000, 8)
    signed = derive("DirectoryHead", 32, network, be(len(entries), 8), copy.hash, time)
    head = be(len(entries), 8) + copy.hash + time + sign(service, signed)
    c.equal("head", head.hex(), file["head"])
    for page in file["pages"]:
        c.complete(page["name"], page, "name", "entries", "head", "outcome")
        known = Copy(network, compressed(service))
        for entry in entries[:4]:
            known.take(entry)
        known.signed = 1_900_000_000 - 10
        given = [unhex(entry) for entry in page["entries"]], unhex(page["head"]), 1_900_000_000
        if page["outcome"] == "taken":
            c.equal(page["name"], known.append(*given), None)
        else:
            c.refused(page["name"], page["outcome"], known.append, *given)
    for entry in file["bad_entries"]:
        c.refused("a bad entry", None, decode_entry, unhex(entry))
    for entry in file["odd_entries"]:
        c.equal("an odd entry", len(decode_entry(unhex(entry))["name"]) >= 3, True)


FILES = {
    "onion-1-hop.json": check_onion,
    "onion-3-hops.json": check_onion,
    "peer-message.json": check_peer_message,
    "dead-drops-and-keywheel.json": check_keywheel,
    "network-id.json": check_network,
    "frames.json": check_frames,
    "control.json": check_control,
    "identity.json": check_identity,
    "epoch-keys.json": check_epoch_keys,
}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    passed = failed = 0
    for name, check in FILES.items():
        checks = Checks()
        try:
            check(json.loads((folder / name).read_text(encoding="utf-8")), checks)
        except Exception as error:  # An altered vector can break anything; the others go on.
            checks.equal("it can be read", f"{type(error).__name__}: {error}", "no error")
        print(f"{name}: {checks.passed} passed, {checks.failed} failed")
        passed, failed = passed + checks.passed, failed + checks.failed
    unknown = {path.name for path in folder.glob("*.json")} - set(FILES)
    for name in sorted(unknown):
        print(f"{name}: nothing here checks it")
    failed += len(unknown)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
