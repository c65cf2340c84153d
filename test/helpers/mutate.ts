import fc from 'fast-check'
import { readTlvPrefix, TAG, tlv } from '../../src/pki/der.ts'

/** A DER value as a tree: what stands in OCTET STRINGs and BIT STRINGs is left whole. */
interface Node {
  tag: number
  content: Buffer | Node[]
}

function parse(der: Buffer): Node[] {
  const out: Node[] = []
  for (let at = 0; at < der.length; ) {
    const { tag, value, end } = readTlvPrefix(der, at)
    out.push({ tag, content: tag & 0x20 ? parse(value) : value })
    at = end
  }
  return out
}

const encode = ({ tag, content }: Node): Buffer =>
  tlv(tag, Buffer.isBuffer(content) ? content : Buffer.concat(content.map(encode)))

/** Every list of siblings in the tree. */
function families(nodes: Node[], out: Node[][] = []): Node[][] {
  if (nodes.length > 0) out.push(nodes)
  for (const { content } of nodes) if (!Buffer.isBuffer(content)) families(content, out)
  return out
}

/** What can happen to one value among its siblings; lengths around it stay right, so that readers get far. */
const changes = {
  drop: (family: Node[], at: number) => family.splice(at, 1),
  double: (family: Node[], at: number) => family.splice(at, 0, family[at] ?? empty()),
  swap: (family: Node[], at: number) => family.splice(0, 2, ...family.splice(at, 1), ...family.slice(0, 1)),
  retag: (family: Node[], at: number, with_: number) =>
    family.splice(at, 1, { ...(family[at] ?? empty()), tag: with_ }),
  empty: (family: Node[], at: number) => family.splice(at, 1, { tag: family[at]?.tag ?? TAG.null, content: [] }),
  wrap: (family: Node[], at: number) => family.splice(at, 1, { tag: TAG.seq, content: [family[at] ?? empty()] }),
  shorten: (family: Node[], at: number) => replaceContent(family, at, (content) => content.subarray(0, -1)),
  lengthen: (family: Node[], at: number, with_: number) =>
    replaceContent(family, at, (content) => Buffer.concat([content, Buffer.of(with_)])),
  flip: (family: Node[], at: number, with_: number) =>
    replaceContent(family, at, (content) => Buffer.from(content.map((octet, i) => (i === 0 ? octet ^ with_ : octet)))),
} satisfies Record<string, (family: Node[], at: number, octet: number) => unknown>

const empty = (): Node => ({ tag: TAG.null, content: Buffer.alloc(0) })

function replaceContent(family: Node[], at: number, change: (content: Buffer) => Buffer): void {
  const node = family[at] ?? empty()
  if (Buffer.isBuffer(node.content)) family.splice(at, 1, { ...node, content: change(node.content) })
}

const TAGS = [...Object.values(TAG), 0x80, 0x81, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4]

/** A good message with one to three changes somewhere in its tree. */
export const mutations = (der: Buffer): fc.Arbitrary<Buffer> =>
  fc
    .array(
      fc.record({
        how: fc.constantFrom(...(Object.keys(changes) as (keyof typeof changes)[])),
        family: fc.nat(),
        at: fc.nat(),
        octet: fc.oneof(fc.constantFrom(...TAGS), fc.nat(255)),
      }),
      { minLength: 1, maxLength: 3 },
    )
    .map((steps) => {
      const tree = parse(der)
      for (const { how, family, at, octet } of steps) {
        const all = families(tree)
        const chosen = all[family % all.length]
        if (chosen) changes[how](chosen, at % chosen.length, how === 'retag' && octet % 0x20 === 0x1f ? TAG.seq : octet)
      }
      return Buffer.concat(tree.map(encode))
    })
