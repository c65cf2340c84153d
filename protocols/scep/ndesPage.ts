import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { Failure } from '../../src/core/failure.ts'
import type { RaProfile } from '../../src/core/profile/profile.ts'
import type { Requester } from '../../src/core/requester.ts'
import { type HttpAnswer, plain } from '../../src/http/answer.ts'
import { readAuthorization } from '../../src/http/authorization.ts'
import type { Host } from '../../src/protocol.ts'
import { keySourceOf, optionsOf } from './options.ts'

const PATH = /^\/certsrv\/mscep_admin(?:\/([a-z0-9][a-z0-9-]{0,62}))?\/?(?:\?(.*))?$/is
const MINUTES = 60

/** The page from which device-management systems read a challenge, as they do from Microsoft's NDES; undefined: not this page. */
export function adminPage(host: Host, incoming: IncomingMessage): Promise<HttpAnswer> | undefined {
  const [, profile = 'default', query = ''] = PATH.exec(incoming.url ?? '') ?? [undefined, undefined]
  return PATH.test(incoming.url ?? '') ? answer(host, incoming, { profile: profile.toLowerCase(), query }) : undefined
}

async function answer(
  host: Host,
  incoming: IncomingMessage,
  { profile: name, query }: { profile: string; query: string },
): Promise<HttpAnswer> {
  if (incoming.method !== 'GET' && incoming.method !== 'HEAD')
    return plain(405, 'this page takes GET', { Allow: 'GET, HEAD', Connection: 'close' })
  // A browser that knows the password sends it for every site: only what a person or a program asked for itself makes a challenge.
  if (incoming.headers['sec-fetch-site'] === 'cross-site') return plain(403, 'another site may not ask for a challenge')
  try {
    const source = host.sourceAddress(incoming)
    const profile = await host.core.as(anyone(source)).profile(name, 'scep')
    const requester = await authenticated(host, incoming, profile, source)
    if (!requester) return unauthenticated()
    if (incoming.method === 'HEAD') return page(['Ask with GET for a challenge.'])
    return await challengePage(host, requester, profile, query)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return refusal(error)
  }
}

function anyone(source: string | undefined): Requester {
  return {
    kind: 'key-holder',
    ref: 'anonymous',
    name: 'anyone',
    people: [],
    ...(source === undefined ? {} : { source }),
  }
}

/** A user's name and password, his name and a token of his in its place, or a token as Bearer. */
async function authenticated(
  host: Host,
  incoming: IncomingMessage,
  profile: RaProfile,
  source: string | undefined,
): Promise<Requester | undefined> {
  const shown = readAuthorization(incoming)
  return shown && host.core.as(anyone(source)).signIn(shown, { profile, ...(source === undefined ? {} : { source }) })
}

function unauthenticated(): HttpAnswer {
  return plain(401, 'a user with manage on the profile, his password or a token of his', {
    'WWW-Authenticate': 'Basic realm="countersign", charset="UTF-8"',
  })
}

/** `subject` and `dns` in the query bind the challenge. */
async function challengePage(host: Host, requester: Requester, profile: RaProfile, query: string): Promise<HttpAnswer> {
  const wanted = new URLSearchParams(query)
  const subject = wanted.get('subject')
  const dns = wanted.getAll('dns').map((name) => name.toLowerCase())
  const door = host.core.as(requester)
  const { challenge } = await door.admin.createChallenge({
    profile: profile.name,
    ...(subject === null ? {} : { subject }),
    ...(dns.length === 0 ? {} : { identifiers: { dns, wildcards: false } }),
    expiresAt: new Date(host.clock().getTime() + MINUTES * 60_000),
    note: 'mscep_admin',
  })
  const [key] = await door.messageKeys(profile, keySourceOf(optionsOf(profile)))
  const thumbprint = createHash('sha256')
    .update(key.issuers[0] ?? key.certificate)
    .digest('hex')
    .toUpperCase()
  return page([
    `Devices of the profile ${profile.name} enrol at ${host.httpBaseUrl}/scep/${profile.name} and ${host.baseUrl}/scep/${profile.name}.`,
    `The thumbprint (hash value) for the CA certificate is: <B> ${thumbprint.replace(/.{8}(?=.)/g, '$& ')} </B> (SHA-256)`,
    `The enrollment challenge password is: <B> ${challenge} </B>`,
    `This password can be used only once and will expire within ${MINUTES} minutes.`,
    'Each time that this page is asked for it makes another one.',
  ])
}

function refusal({ code, detail }: Failure): HttpAnswer {
  switch (code) {
    case 'notFound':
      return plain(404, 'there is no such profile, or it does not serve SCEP')
    case 'forbidden':
      return page(
        ['You do not have sufficient permission to enroll with SCEP.', 'It needs the capability manage.'],
        403,
      )
    case 'rateLimited':
      return plain(429, detail)
    case 'malformed':
      return plain(400, detail)
    default:
      return plain(503, detail, { 'Retry-After': '60' })
  }
}

/** UTF-16 with its mark, and the sentences to the letter: that is what the programs look for. No text of a stranger comes into it. */
function page(sentences: string[], status = 200): HttpAnswer {
  const body = sentences.map((sentence) => `<P> ${sentence}\n`).join('')
  const html = `<HTML><HEAD><META HTTP-EQUIV="Content-Type" CONTENT="text/html; charset=UTF-16"><TITLE>SCEP enrolment</TITLE></HEAD>\n<BODY>\n${body}</BODY></HTML>\n`
  return {
    status,
    headers: {
      'Content-Type': 'text/html; charset=UTF-16',
      'Cache-Control': 'no-store',
      'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    },
    body: Buffer.from(`\ufeff${html}`, 'utf16le'),
  }
}
