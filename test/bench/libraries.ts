// What own code saves where a library could stand: npx tsx test/bench/libraries.ts. See docs/decisions/hot-path.md.
import 'reflect-metadata'
import { webcrypto, X509Certificate } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { flattenedVerify } from 'jose'
import { readJwk } from '../../protocols/acme/jwk.ts'
import { checkJws, openJws, verifyJws } from '../../protocols/acme/jws.ts'
import { encodeTbs, issueCertificate } from '../../src/pki/certificate.ts'
import { parseCsr } from '../../src/pki/csr.ts'
import { lintCertificate } from '../../src/pki/lint.ts'
import { OID } from '../../src/pki/oid.ts'
import { readPublicKey } from '../../src/pki/publicKey.ts'
import { newKey } from '../helpers/acmeKeys.ts'
import { authority, keyPair, leafDraft, now } from '../helpers/pkiSamples.ts'
import { prepare } from './issuance.ts'
import { median } from './report.ts'

interface Compared {
  work: string
  own: () => unknown
  /** By name of the library. */
  others: Record<string, () => unknown>
}

const ROUNDS = 7
const BATCH_MS = 150

/** CPU microseconds of one call, of one batch. */
async function cost(work: () => unknown): Promise<number> {
  const until = performance.now() + BATCH_MS
  const before = process.cpuUsage()
  let calls = 0
  while (performance.now() < until) {
    for (let i = 0; i < 20; i++) await work()
    calls += 20
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

async function compare({ work, own, others }: Compared): Promise<void> {
  const all = Object.entries({ own, ...others })
  for (const [, run] of all) await cost(run)
  const taken = new Map<string, number[]>(all.map(([name]) => [name, []]))
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, run] of round % 2 ? [...all].reverse() : all) taken.get(name)?.push(await cost(run))
  const ours = taken.get('own') ?? []
  const lines = Object.keys(others).map((name) => {
    const theirs = taken.get(name) ?? []
    const ratio = median(theirs.map((value, round) => value / (ours[round] ?? Number.NaN)))
    return `${name} ${median(theirs).toFixed(0)} µs, ${ratio.toFixed(1)} times`
  })
  process.stdout.write(`${work}: own ${median(ours).toFixed(0)} µs; ${lines.join('; ')}\n`)
}

async function jws(): Promise<Compared> {
  const key = newKey()
  const header = {
    alg: 'ES256',
    kid: 'https://localhost/acme/default/account/1',
    nonce: 'x'.repeat(36),
    url: 'https://localhost/',
  }
  const protectedHeader = Buffer.from(JSON.stringify(header)).toString('base64url')
  const payload = Buffer.from('{}').toString('base64url')
  const signature = key.sign(Buffer.from(`${protectedHeader}.${payload}`)).toString('base64url')
  const flattened = { protected: protectedHeader, payload, signature }
  const body = Buffer.from(JSON.stringify(flattened))
  const known = readJwk(key.jwk)
  const cryptoKey = await webcrypto.subtle.importKey('jwk', key.jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, [
    'verify',
  ])
  return {
    work: 'JWS, ES256, the account key kept',
    own: () => verifyJws(checkJws(openJws(body)), known),
    others: { 'jose flattenedVerify': () => flattenedVerify(JSON.parse(body.toString()), cryptoKey) },
  }
}

function csr(): Compared {
  const { csr: der } = prepare()
  return {
    work: 'CSR, P-256, read and verified',
    own: () => parseCsr(der),
    others: {
      '@peculiar/x509': async () => {
        const request = new x509.Pkcs10CertificateRequest(der)
        if (!(await request.verify())) throw new Error('not verified')
        return request.getExtension('2.5.29.17')?.value
      },
    },
  }
}

async function certificate(): Promise<Compared> {
  const issuer = await authority('P-256')
  const { privateKey } = keyPair('P-256', `ca Test P-256`)
  const { publicKey: leafKey } = keyPair('P-256', 'leaf')
  const draft = leafDraft(issuer)
  const ecdsa = { name: 'ECDSA', namedCurve: 'P-256' }
  const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
  const spki = leafKey.export({ type: 'spki', format: 'der' })
  const signingKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, ecdsa, false, ['sign'])
  const publicKey = await webcrypto.subtle.importKey('spki', spki, ecdsa, true, ['verify'])
  return {
    work: 'certificate, P-256, written and signed',
    own: () => issueCertificate(draft, issuer.signer),
    others: {
      '@peculiar/x509': () =>
        x509.X509CertificateGenerator.create({
          serialNumber: draft.serial,
          issuer: 'C=DE, O=Example, CN=Test P-256',
          subject: 'CN=www.example.com',
          notBefore: draft.notBefore,
          notAfter: draft.notAfter,
          publicKey,
          signingKey,
          signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
          extensions: [
            new x509.BasicConstraintsExtension(false, undefined, true),
            new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
            new x509.ExtendedKeyUsageExtension([OID.serverAuth]),
            new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'www.example.com' }]),
            new x509.CRLDistributionPointsExtension([...draft.crlUrls]),
            new x509.AuthorityInfoAccessExtension({ ocsp: [...draft.ocspUrls], caIssuers: [...draft.issuerUrls] }),
          ],
        }),
    },
  }
}

async function lint(): Promise<Compared> {
  const issuer = await authority('P-256')
  const draft = leafDraft(issuer)
  const tbs = encodeTbs(draft, issuer.signer.algorithm)
  const der = await issueCertificate(draft, issuer.signer)
  const publicKey = Buffer.isBuffer(draft.publicKey) ? readPublicKey(draft.publicKey) : draft.publicKey
  const context = { type: draft.type, issuer: issuer.fields, now, publicKey }
  if (lintCertificate(tbs, context).length > 0) throw new Error('the lint has findings')
  return {
    work: 'lint: read back and all checks (the libraries: reading alone)',
    own: () => lintCertificate(tbs, context),
    others: {
      '@peculiar/x509': () => new x509.X509Certificate(der).extensions.length,
      'node:crypto X509Certificate': () => new X509Certificate(der).subjectAltName,
    },
  }
}

for (const compared of [await jws(), csr(), await certificate(), await lint()]) await compare(compared)
