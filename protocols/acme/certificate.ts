import { readCertificate } from '../../src/pki/certificateReader.ts'
import { PkiError } from '../../src/pki/error.ts'
import { pemEncode } from '../../src/pki/pem.ts'
import { ownerKey } from './accountRecord.ts'
import { type Answer, link } from './answer.ts'
import { isId } from './id.ts'
import { type AccountRequest, notFound, requirePostAsGet } from './signed.ts'
import { urls } from './urls.ts'

/** RFC 8555 section 7.4.2: a chain, for the account that ordered the certificate, with links to the others that there are. */
export async function certificate(request: AccountRequest): Promise<Answer> {
  requirePostAsGet(request)
  const { door, account, param, root } = request
  const uuid = param('id')
  const found = isId(uuid) ? await door.findCertificate({ uuid }) : undefined
  if (found?.requesterKey !== ownerKey(account)) throw notFound('certificate')
  const alternates = await door.alternateChains(found)
  const asked = param('chain')
  const alternate = alternates.find(({ id }) => String(id) === asked)
  if (asked !== '' && !alternate) throw notFound('chain')
  const issuers = (alternate?.chain ?? (await door.chain(found))).map(issuer)
  const others = [undefined, ...alternates.map(({ id }) => id)].filter((id) => id !== alternate?.id)
  return {
    status: 200,
    pem:
      pem(found.der) +
      served(issuers)
        .map((each) => each.pem)
        .join(''),
    links: others.map((id) => link(urls.certificate(root, uuid, id), 'alternate')),
  }
}

interface IssuerText {
  pem: string
  root: boolean
}

/** Without the root, which must be trusted before (section 9.1), unless nothing else would follow the certificate: some clients need two. */
function served(issuers: IssuerText[]): IssuerText[] {
  return issuers.length > 1 && issuers.at(-1)?.root ? issuers.slice(0, -1) : issuers
}

const MAX_KEPT = 100
const kept = new Map<string, IssuerText>()

/** All certificates of an authority end alike. */
function issuer(der: Buffer): IssuerText {
  const bytes = der.toString('latin1')
  const known = kept.get(bytes)
  if (known) return known
  if (kept.size >= MAX_KEPT) kept.clear()
  const text = { pem: pem(der), root: isRoot(der) }
  kept.set(bytes, text)
  return text
}

function isRoot(der: Buffer): boolean {
  try {
    const { subjectDer, issuerDer } = readCertificate(der)
    return subjectDer.equals(issuerDer)
  } catch (error) {
    // An imported one may hold what we do not read: then it is sent.
    if (error instanceof PkiError) return false
    throw error
  }
}

function pem(der: Buffer): string {
  return pemEncode('CERTIFICATE', der)
}
