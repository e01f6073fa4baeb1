"""memory.py: is a factor of an RSA modulus in a process's memory, or in files? No knowledge of the key is needed: what shares a factor with n is one."""
import math


def resident(pid):
    """(address, bytes) of all writable memory of a process, as far as it is there; needs root."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            memory.seek(begin)
            data = bytearray()
            while begin + len(data) < end:
                try:
                    part = memory.read(min(1 << 20, end - begin - len(data)))
                except OSError as error:
                    raise AssertionError(f"{line.strip()} cannot be read, so nothing can be said of it") from error
                if not part:
                    break
                data += part
            found.append((begin, bytes(data)))
    return found


def pieces(data, size, overlap, page=4096):
    """Stretches of `data` without pages of zeros, in which no factor can lie whole; each reaches into what follows by `overlap`."""
    empty, at, begin = bytes(page), 0, None
    while at < len(data):
        if data[at:at + page] == empty[:len(data) - at]:
            if begin is not None:
                yield data[begin:at + overlap]
                begin = None
        elif begin is None:
            begin = max(0, at - overlap)
        elif at - begin >= size:
            yield data[begin:at + overlap]
            begin = at
        at += page
    if begin is not None:
        yield data[begin:]


def windows(data, width, align):
    """Numbers of `width` bytes in `data` that could be a factor: odd, highest bit set. Little-endian at multiples of `align`, as big numbers lie in memory;
    big-endian at every byte, as keys are written in files and messages."""
    count = len(data) - width + 1
    if count <= 0:
        return
    low, high = data[:count:align], data[width - 1::align]
    for i in range(len(low)):
        if low[i] & 1 and high[i] & 0x80:
            yield int.from_bytes(data[i * align:i * align + width], "little")
    first, last = data[:count], data[width - 1:]
    for i in range(count):
        if first[i] & 0x80 and last[i] & 1:
            yield int.from_bytes(data[i:i + width], "big")


def factors_found(stretches, moduli, align=8):
    """Of each modulus: does some number in there share a factor with it? One pass: the product of all candidates modulo all moduli, and one gcd each. The
    moduli have the same length, twice the width of their factors."""
    [bits] = {n.bit_length() for n in moduli}
    width, all_moduli, product = bits // 16, math.prod(moduli), 1
    for stretch in stretches:
        for piece in pieces(stretch, 1 << 20, width):
            batch = []
            for number in windows(piece, width, align):
                batch.append(number)
                if len(batch) == 32:
                    product = product * (math.prod(batch) % all_moduli) % all_moduli
                    batch.clear()
            product = product * math.prod(batch) % all_moduli
    return [math.gcd(product, n) != 1 for n in moduli]
