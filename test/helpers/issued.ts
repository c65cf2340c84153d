import { readCertificate } from '../../src/pki/certificateReader.ts'
import { pemDecode } from '../../src/pki/pem.ts'
import type { AcmeApp } from './acmeApp.ts'
import type { AcmeClient, Json } from './acmeClient.ts'
import { newCsr } from './world.ts'

/** A certificate that a client of the test got over ACME. */
export interface Issued {
  client: AcmeClient
  /** The certificate's URL. */
  url: string
  /** The order as finalize answered it. */
  order: Json
  orderUrl: string
  der: Buffer
  serial: string
  /** As RFC 9773 section 4.1 names it. */
  certId: string
}

interface By {
  profile?: string
  client?: AcmeClient
  /** Further members of newOrder. */
  more?: Json
}

/** An order over http-01 from its beginning to the certificate. */
export async function issue(app: AcmeApp, names: string[], { profile = 'default', client, more = {} }: By = {}) {
  const by = client ?? (await app.client({ profile }))
  app.serveChallenges(by)
  const order = await by.order(names, more)
  if (order.status === 'pending') await by.answer(order, 'http-01')
  const { json } = await by.finalize(order, (await newCsr(names)).der)
  if (json.status !== 'valid') throw new Error(`the order is ${json.status}: ${JSON.stringify(json)}`)
  const url = String(json.certificate)
  const [leaf] = pemDecode((await by.post(url)).text)
  if (!leaf) throw new Error('there is no certificate')
  const { serial } = readCertificate(leaf.der)
  const issued: Issued = {
    client: by,
    url,
    order: json,
    orderUrl: order.url,
    der: leaf.der,
    serial,
    certId: certIdOf(leaf.der),
  }
  return issued
}

export function certIdOf(der: Buffer): string {
  const { aki, serial } = readCertificate(der)
  const octets = Buffer.from(serial, 'hex')
  const content = (octets[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), octets]) : octets
  return `${aki?.toString('base64url')}.${content.toString('base64url')}`
}
