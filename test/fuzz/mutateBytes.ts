import { readTlvPrefix, TAG, tlv } from '../../src/pki/der.ts'
import type { Random } from './random.ts'

interface Node {
  tag: number
  content: Buffer | Node[]
}

/** Deeper than anything that is meant well; a tree beyond is left as octets. */
const DEEPEST = 40

/** As trees of values, also those that stand in OCTET STRINGs and BIT STRINGs; undefined where it is no DER. */
function parse(der: Buffer, depth = 0): Node[] | undefined {
  const out: Node[] = []
  try {
    for (let at = 0; at < der.length; ) {
      const { tag, value, end } = readTlvPrefix(der, at)
      out.push({ tag, content: depth < DEEPEST ? contentOf(tag, value, depth) : value })
      at = end
    }
    return out
  } catch {
    return undefined
  }
}

function contentOf(tag: number, value: Buffer, depth: number): Node['content'] {
  const within = tag & 0x20 || (tag === TAG.octets && value.length > 4) ? parse(value, depth + 1) : undefined
  return within && within.length > 0 ? within : value
}

const encode = ({ tag, content }: Node): Buffer =>
  tlv(tag, Buffer.isBuffer(content) ? content : Buffer.concat(content.map(encode)))

/** What is put in somewhere is no part of anything else: a tree that holds itself has no end. */
function copy({ tag, content }: Node): Node {
  return { tag, content: Buffer.isBuffer(content) ? content : content.map(copy) }
}

function families(nodes: Node[], out: Node[][] = []): Node[][] {
  if (nodes.length > 0) out.push(nodes)
  for (const { content } of nodes) if (!Buffer.isBuffer(content)) families(content, out)
  return out
}

const TAGS = [...Object.values(TAG), 0x80, 0x81, 0x82, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0x24, 0x00, 0x1f, 0xff]
const ODD = [
  '',
  '00',
  'ff',
  '80',
  '7f',
  '0000',
  '00ff',
  'ff'.repeat(9),
  '00'.repeat(20),
  '80'.repeat(600),
  '2a',
  '3000',
  '0500',
  '81'.repeat(40),
]

/** One change in the tree, after which all lengths are right again. `other`: the tree of another input. */
const changes: ((family: Node[], at: number, random: Random, other: Node[]) => void)[] = [
  (family, at) => family.splice(at, 1),
  (family, at) => family.splice(at, 0, copy(family[at] as Node)),
  (family, at, random) => family.push(...family.splice(random.below(at + 1), 1)),
  (family, at, random) => change(family, at, { tag: random.pick(TAGS) }),
  (family, at) => change(family, at, { content: Buffer.alloc(0) }),
  (family, at, random) => change(family, at, { content: Buffer.from(random.pick(ODD), 'hex') }),
  (family, at) => family.splice(at, 1, { tag: TAG.seq, content: [family[at] as Node] }),
  (family, at, random) => {
    const { content } = family[at] as Node
    if (Buffer.isBuffer(content)) change(family, at, { content: mutateOctets(content, random) })
  },
  (family, at, random, other) => family.splice(at, random.below(2), copy(random.pick(random.pick(families(other))))),
  (family, at, random) => {
    const times = 2 ** random.below(8)
    family.splice(at, 0, ...Array.from({ length: times }, () => copy(family[at] as Node)))
  },
  (family, at, random) => {
    let node = family[at] as Node
    for (let depth = 2 ** random.below(9); depth > 0; depth--)
      node = { tag: random.pick([0x30, 0xa0]), content: [node] }
    family[at] = node
  },
]

function change(family: Node[], at: number, parts: Partial<Node>): void {
  family[at] = { ...(family[at] as Node), ...parts }
}

/** Of DER a value here and there, else octets. */
export function mutateDer(input: Buffer, random: Random, other: Buffer): Buffer {
  const tree = random.chance(0.85) ? parse(input) : undefined
  if (!tree || tree.length === 0) return mutateOctets(input, random)
  const second = parse(other)
  for (let n = random.below(3); n >= 0; n--) {
    const all = families(tree)
    if (all.length === 0) break
    const family = random.pick(all)
    random.pick(changes)(family, random.below(family.length), random, second?.length ? second : tree)
  }
  return Buffer.concat(tree.map(encode))
}

/** Bits, octets and runs of them. */
export function mutateOctets(input: Buffer, random: Random): Buffer {
  const octets = [...input]
  for (let n = random.below(4); n >= 0; n--) {
    const at = random.below(octets.length + 1)
    const length = 1 + random.below(random.chance(0.2) ? 64 : 3)
    switch (random.below(6)) {
      case 0:
        octets[at] = (octets[at] ?? 0) ^ (1 << random.below(8))
        break
      case 1:
        octets[at] = random.pick([0, 1, 0x7f, 0x80, 0x81, 0x84, 0xff, random.below(256)])
        break
      case 2:
        octets.splice(at, length)
        break
      case 3:
        octets.splice(at, 0, ...Array.from({ length }, () => random.below(256)))
        break
      case 4:
        octets.splice(at, 0, ...octets.slice(random.below(octets.length + 1)).slice(0, length * 4))
        break
      default:
        octets.length = at
    }
  }
  return Buffer.from(octets.map((octet) => octet ?? 0))
}
