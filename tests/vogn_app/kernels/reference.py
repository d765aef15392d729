"""The kernels' normals in plain Python: slow, and close to the text of the papers."""

import math

WORD, LONG = 2**32 - 1, 2**64 - 1
LANES, CHUNK = 32, 1024


def splitmix64(state):
    """Steele, Lea, Flood (2014); returns the new state and 64 bits."""
    state = (state + 0x9E3779B97F4A7C15) & LONG
    z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & LONG
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & LONG
    return state, z ^ z >> 31


def rotated(x, k):
    return (x << k | x >> 32 - k) & WORD


def xoshiro128plusplus(s):
    """Blackman, Vigna (2019); yields 32 bits at a time, from a state of four words."""
    s = list(s)
    while True:
        yield (rotated((s[0] + s[3]) & WORD, 7) + s[0]) & WORD
        t = s[1] << 9 & WORD
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 11)


def seeded(key, tensor, block):
    """The lanes of a block."""
    state = key
    for number in (tensor, block, 0):
        state = splitmix64(state)[1] ^ number
    lanes = []
    for _ in range(LANES):
        words = []
        for _ in range(2):
            state, bits = splitmix64(state)
            words += [bits & WORD, bits >> 32]
        lanes.append(xoshiro128plusplus(words))
    return lanes


def normals(key, tensor, block, count, double):
    """The first `count` normals of a block that has no more."""
    lanes, result = seeded(key, tensor, block), []
    while len(result) < count:
        here = min(CHUNK, count - len(result))
        pairs = -(-here // (2 * LANES)) * LANES
        num = (4 if double else 2) * pairs
        bits = [next(lane) for _ in range(num // LANES) for lane in lanes]
        transform = in_double if double else in_single
        both = [transform(*bits[i::pairs]) for i in range(pairs)]
        chunk = [cosine for cosine, _ in both] + [sine for _, sine in both]
        result += chunk[:here]
    return result


def in_single(first, second):
    """Box and Muller from 32 bits each, the second signed."""
    radius = math.sqrt(-2 * math.log((first + 1) / 2**32))
    v = (second - (second >> 31 << 32)) / 2**32
    sign = -1 if second & 1 else 1
    return radius * sign * math.cos(math.pi * v), radius * math.sin(math.pi * v)


def in_double(first, also_first, second, also_second):
    """The same from 53 bits each."""
    radius = math.sqrt(-2 * math.log((((first << 32 | also_first) >> 11) + 1) / 2**53))
    angle = 2 * math.pi * ((second << 32 | also_second) >> 11) / 2**53
    return radius * math.cos(angle), radius * math.sin(angle)
