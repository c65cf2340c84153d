import type { SignedCrl } from '../../src/core/core.ts'
import { Failure } from '../../src/core/failure.ts'
import { readCrlStatusList } from '../../src/pki/cmpBody.ts'
import { type CmpInfo, readInfo } from '../../src/pki/cmpMessage.ts'
import { writeCertReqTemplate } from '../../src/pki/cmpTemplate.ts'
import { genpBody, writeInfo } from '../../src/pki/cmpWriter.ts'
import { context, explicit, oid, readString, seq, TAG, type Tlv } from '../../src/pki/der.ts'
import { decodeName, sameName } from '../../src/pki/name.ts'
import { OID } from '../../src/pki/oid.ts'
import { CmpRefusal } from './errors.ts'
import type { Authenticated, Exchange, Reply } from './exchange.ts'
import { isRoot } from './outcome.ts'
import { profileFor } from './requested.ts'
import { refuseEnded } from './sender.ts'

type Answer = (exchange: Exchange, info: CmpInfo, asked: Authenticated) => Promise<Buffer>

/** What is told about by genm: RFC 9483 section 4.3, and the current CRL of RFC 9810 section 5.3.19.6. */
const served: ReadonlyMap<string, Answer> = new Map<string, Answer>([
  [OID.cmpCaCerts, caCertificates],
  [OID.cmpRootCaCert, rootUpdate],
  [OID.cmpCertReqTemplate, template],
  [OID.cmpCrlStatusList, crlUpdate],
  [OID.cmpCurrentCrl, currentCrl],
])

/** genm. The empty one asks for whatever there is; what is not known here is named in the answer (section 5.3.19.7). */
export async function general(exchange: Exchange, asked: Authenticated): Promise<Reply> {
  refuseEnded(asked.sender)
  const infos = readInfo(asked.message.content)
  if (infos.length > 1) throw new CmpRefusal('badRequest', 'one question in a genm: begin a transaction for each')
  const [info = { oid: OID.cmpCaCerts }] = infos
  const answer = served.get(info.oid)
  return { body: genpBody([answer ? await answer(exchange, info, asked) : unsupported(info)]) }
}

const unsupported = (info: CmpInfo): Buffer => writeInfo(OID.cmpUnsupportedOids, seq(oid(info.oid)))

/** The issuing certificate and those between it and the root; a root that issues itself, since there is nothing else. */
async function caCertificates({ door, profile }: Exchange): Promise<Buffer> {
  const { active } = await door.authorityChain(profile.authorityId)
  const certificates = active ? [active.certificate.der, ...active.chain.filter((der) => !isRoot(der))] : []
  return writeInfo(OID.cmpCaCerts, certificates.length > 0 ? seq(...certificates) : undefined)
}

/** What follows the root that the client has, or else that of this authority: from when a rollover is prepared. */
async function rootUpdate({ door, profile }: Exchange, { value }: CmpInfo): Promise<Buffer> {
  const { active } = await door.authorityChain(profile.authorityId)
  const root = value?.der ?? (active ? [active.certificate.der, ...active.chain].find(isRoot) : undefined)
  const links = root && (await door.linkCertificates(root))
  if (!root || !links?.oldWithOld.equals(root)) return writeInfo(OID.cmpRootCaKeyUpdate)
  const update = seq(links.newWithNew, explicit(0, links.newWithOld), explicit(1, links.oldWithNew))
  return writeInfo(OID.cmpRootCaKeyUpdate, update)
}

async function template(exchange: Exchange, _info: CmpInfo, { message }: Authenticated): Promise<Buffer> {
  const wishes = exchange.door.csrWishes(profileFor(exchange, message), { bound: false })
  return writeInfo(OID.cmpCertReqTemplate, writeCertReqTemplate(wishes))
}

async function currentCrl({ door, profile }: Exchange): Promise<Buffer> {
  const { der } = await door.crl({ authority: profile.authorityId })
  return writeInfo(OID.cmpCurrentCrl, der)
}

/** A CRL that is newer than the client's; without content where there is none (RFC 9483 section 4.3.4). */
async function crlUpdate(exchange: Exchange, { value }: CmpInfo): Promise<Buffer> {
  const { point, issuer, thisUpdate } = readCrlStatusList(value)
  const crl = point ? await crlAt(exchange, point) : await crlBy(exchange, issuer ?? [])
  const isNews = crl && (!thisUpdate || wholeSeconds(crl.thisUpdate) > wholeSeconds(thisUpdate))
  return writeInfo(OID.cmpCrls, isNews ? seq(crl.der) : undefined)
}

/** As CRLs have it. */
const wholeSeconds = (time: Date): number => Math.floor(time.getTime() / 1000)

const URI = context(6, false)
const DIRECTORY_NAME = context(4)
const CRL_PATH = /^\/crl\/([a-z0-9][a-z0-9-]{0,62})(?:\/(0|[1-9]\d{0,8})\/(0|[1-9]\d{0,8}|indirect))?\.crl$/

/** By a URL of ours, as certificates have it; nothing is fetched. */
async function crlAt({ door, host }: Exchange, names: readonly Tlv[]): Promise<SignedCrl | undefined> {
  for (const name of names) {
    const url = name.tag === URI ? readString(name, TAG.ia5) : ''
    const path = url.startsWith(`${host.httpBaseUrl}/`) ? url.slice(host.httpBaseUrl.length) : ''
    const [, authority, issuer, shard] = CRL_PATH.exec(path) ?? []
    if (authority === undefined) continue
    const which = shard === 'indirect' ? { indirect: true } : shard === undefined ? {} : { shard: Number(shard) }
    const ref = { authority, ...(issuer === undefined ? {} : { issuer: Number(issuer) }), ...which }
    return door.crl(ref).catch(asNone)
  }
  return undefined
}

async function crlBy({ door, profile }: Exchange, names: readonly Tlv[]): Promise<SignedCrl | undefined> {
  const wanted = names.filter(({ tag }) => tag === DIRECTORY_NAME).map(({ value }) => decodeName(value))
  const { active, earlier } = await door.authorityChain(profile.authorityId)
  const found = [active, ...earlier].find(
    (each) => each && wanted.some((name) => sameName(name, each.certificate.subject)),
  )
  return found && door.crl({ authority: profile.authorityId, issuer: found.id }).catch(asNone)
}

function asNone(error: unknown): undefined {
  if (error instanceof Failure && error.code === 'notFound') return undefined
  throw error
}
