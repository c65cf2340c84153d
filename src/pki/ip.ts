const QUAD = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/

/**
 * Octets of an IP address, 4 or 16. Only the full dotted quad in decimal without leading zeros, and the forms of RFC 4291 section 2.2;
 * no zone, no brackets, no short or octal form. undefined for anything else.
 */
export function parseIp(text: string): Buffer | undefined {
  return text.includes(':') ? parseIp6(text) : parseIp4(text)
}

function parseIp4(text: string): Buffer | undefined {
  if (!QUAD.test(text)) return undefined
  const octets = text.split('.').map(Number)
  return octets.every((octet) => octet < 256) ? Buffer.from(octets) : undefined
}

function parseIp6(text: string): Buffer | undefined {
  if (text.length > 45) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, i) => groups(half, i === halves.length - 1))
  if (!head) return undefined
  if (halves.length === 1) return head.length === 16 ? Buffer.from(head) : undefined
  if (!tail || head.length + tail.length > 14) return undefined
  return Buffer.from([...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail])
}

function groups(text: string, mayEndInQuad: boolean): number[] | undefined {
  if (text === '') return []
  const out: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    const quad = mayEndInQuad && i === parts.length - 1 && part.includes('.') ? parseIp4(part) : undefined
    if (quad) out.push(...quad)
    else if (/^[0-9a-f]{1,4}$/i.test(part)) out.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff)
    else return undefined
  }
  return out
}

/** Canonical text of 4 or 16 octets: dotted quad, or RFC 5952 section 4, IPv4-mapped addresses in the mixed form of its section 5. */
export function formatIp(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.length !== 16) throw new RangeError(`an IP address of ${bytes.length} octets`)
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2))
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff)
    return `::ffff:${bytes.subarray(12).join('.')}`
  const { start, length } = longestZeroRun(words)
  const hex = words.map((word) => word.toString(16))
  if (length < 2) return hex.join(':')
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`
}

function longestZeroRun(words: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  let length = 0
  for (const [i, word] of words.entries()) {
    length = word === 0 ? length + 1 : 0
    if (length > best.length) best = { start: i - length + 1, length }
  }
  return best
}

/** Address and prefix length of `address/prefix`; a bare address is a network of one. undefined for anything else. */
export function parseCidr(text: string): { address: Buffer; prefix: number } | undefined {
  const [first = '', prefixText, ...rest] = text.split('/')
  const address = parseIp(first)
  if (!address || rest.length > 0) return undefined
  if (prefixText === undefined) return { address, prefix: address.length * 8 }
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefixText) || Number(prefixText) > address.length * 8) return undefined
  return { address, prefix: Number(prefixText) }
}

/** Whether an address of 4 or 16 octets lies in a network. False across families and for a network that parseCidr refuses. */
export function ipInNetwork(ip: Buffer, cidr: string): boolean {
  const network = parseCidr(cidr)
  if (!network || network.address.length !== ip.length) return false
  const whole = network.prefix >> 3
  if (!ip.subarray(0, whole).equals(network.address.subarray(0, whole))) return false
  const mask = 0xff00 >> (network.prefix & 7)
  return (((ip[whole] ?? 0) ^ (network.address[whole] ?? 0)) & mask & 0xff) === 0
}

/** Who is counted as one: an IPv4 address, or the /64 of an IPv6 address that one host may vary beneath. `unknown` for what is no address. */
export function networkOf(source: string | undefined): string {
  const address = source === undefined ? undefined : parseIp(source)
  if (!address) return 'unknown'
  return address.length === 4
    ? formatIp(address)
    : `${formatIp(Buffer.concat([address.subarray(0, 8), Buffer.alloc(8)]))}/64`
}
