import {
  constants,
  generateKeyPairSync,
  type KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign,
  verify,
} from 'node:crypto'
import type { IssuerKey } from './scepServer.ts'

/** The public-key operations that an answer cannot do without. */
export type Operation = 'decrypt' | 'verify' | 'encrypt' | 'sign' | 'issue P-256' | 'issue RSA-2048'

/** Milliseconds of CPU each, by node:crypto in this process, with RSA-2048 unless it says otherwise. */
export type Floor = Record<Operation, number>

const TURNS = 400

export function createFloor(): () => Floor {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const data = randomBytes(600)
  const contentKey = randomBytes(16)
  const raw = { padding: constants.RSA_NO_PADDING }
  const pkcs1 = { padding: constants.RSA_PKCS1_PADDING }
  const closed = publicEncrypt({ key: rsa.publicKey, ...pkcs1 }, contentKey)
  const signature = sign('sha256', data, rsa.privateKey)
  const signed = (key: KeyObject) => () => sign('sha256', data, key)
  const operations: Record<Operation, () => unknown> = {
    decrypt: () => privateDecrypt({ key: rsa.privateKey, ...raw }, closed),
    verify: () => verify('sha256', data, rsa.publicKey, signature),
    encrypt: () => publicEncrypt({ key: rsa.publicKey, ...pkcs1 }, contentKey),
    sign: signed(rsa.privateKey),
    'issue P-256': signed(ec.privateKey),
    'issue RSA-2048': signed(rsa.privateKey),
  }
  return () => {
    const costs = Object.entries(operations).map(([name, run]) => [name, costOf(run)])
    return Object.fromEntries(costs) as Floor
  }
}

function costOf(run: () => unknown): number {
  const before = process.cpuUsage()
  for (let at = 0; at < TURNS; at++) run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000 / TURNS
}

export type Asked = 'enrol' | 'poll, waits' | 'poll, issued'

/** What is verified: the message, and in an enrolment the request in it. */
export function floorOf(asked: Asked, issuer: IssuerKey, floor: Floor): number {
  const { decrypt, verify: verified, encrypt, sign: answered } = floor
  switch (asked) {
    case 'enrol':
      return decrypt + 2 * verified + floor[`issue ${issuer}`] + encrypt + answered
    case 'poll, issued':
      return verified + encrypt + answered
    case 'poll, waits':
      return verified + answered
  }
}
