/** What can be had here. `issuer`: number of one certificate of the authority; absent: the active one. */
export type Wanted =
  | { kind: 'crl'; authority: string; issuer?: number; shard?: number; indirect?: boolean; delta?: boolean }
  | { kind: 'certificate'; authority: string; issuer?: number }
  | { kind: 'chain'; authority: string }
  | { kind: 'bundle'; authority: string; issuer?: number }

const NAME = '([a-z0-9][a-z0-9-]{0,62})'
const NUMBER = '(0|[1-9]\\d{0,8})'
const CRL = new RegExp(`^/crl/${NAME}\\.crl$`)
const CRL_OF_ISSUER = new RegExp(`^/crl/${NAME}/${NUMBER}/(?:${NUMBER}|indirect)(-delta)?\\.crl$`)
const CERTIFICATE = new RegExp(`^/ca/${NAME}\\.cer$`)
const CERTIFICATE_OF_ISSUER = new RegExp(`^/ca/${NAME}/${NUMBER}\\.cer$`)
const CHAIN = new RegExp(`^/ca/${NAME}\\.pem$`)
const BUNDLE = new RegExp(`^/ca/${NAME}(?:/${NUMBER})?\\.p7c$`)

/** Reads a request target, a query aside. undefined when nothing can be there. */
export function readPath(target: string): Wanted | undefined {
  const [path = ''] = target.split('?')
  const active = CRL.exec(path)?.[1]
  if (active !== undefined) return { kind: 'crl', authority: active }
  const [, authority, issuer, shard, delta] = CRL_OF_ISSUER.exec(path) ?? []
  if (authority !== undefined)
    return { kind: 'crl', authority, issuer: Number(issuer), ...which(shard), delta: delta !== undefined }
  const current = CERTIFICATE.exec(path)?.[1]
  if (current !== undefined) return { kind: 'certificate', authority: current }
  const [, owner, number] = CERTIFICATE_OF_ISSUER.exec(path) ?? []
  if (owner !== undefined) return { kind: 'certificate', authority: owner, issuer: Number(number) }
  const chain = CHAIN.exec(path)?.[1]
  if (chain !== undefined) return { kind: 'chain', authority: chain }
  const [, subject, of] = BUNDLE.exec(path) ?? []
  if (subject === undefined) return undefined
  return { kind: 'bundle', authority: subject, ...(of === undefined ? {} : { issuer: Number(of) }) }
}

function which(shard: string | undefined): { shard: number } | { indirect: true } {
  return shard === undefined ? { indirect: true } : { shard: Number(shard) }
}
