import type { Protocol } from '../src/protocol.ts'
import { acme } from './acme/index.ts'
import { alpacon } from './alpacon/index.ts'
import { cmp } from './cmp/index.ts'
import { crl } from './crl/index.ts'
import { est } from './est/index.ts'
import { fastpki } from './fastpki/index.ts'
import { notary } from './notary/index.ts'
import { ocsp } from './ocsp/index.ts'
import { ra } from './ra/index.ts'
import { scep } from './scep/index.ts'
import { upstream } from './upstream/index.ts'

/** The wire contracts that the server speaks. */
export const protocols: Protocol[] = [acme, ocsp, crl, scep, est, cmp, ra, notary, alpacon, upstream, fastpki]
