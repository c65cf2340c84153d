/** @jsxImportSource hono/jsx */
import { Failure } from '../../core/failure.ts'
import { pemDecode } from '../../pki/pem.ts'
import { problemTexts, sentence } from '../failurePage.tsx'
import { action, page, type Shown, type Visit } from '../page.ts'
import { PostForm, Trouble } from '../parts/form.tsx'
import { Head } from '../parts/panel.tsx'
import { PemField } from '../parts/pem.tsx'
import { derOf, reading } from '../pasted.ts'
import { moveOn } from '../told.ts'

const MOST = 20

function uploadPage(visit: Visit, failure?: Failure): Shown {
  const body = (
    <>
      <Head
        title="Upload certificates"
        about="Takes existing certificates into the inventory, whoever issued them, so that their end is watched. What an authority here has signed is imported under it."
      />
      {failure && <Trouble detail={sentence(failure.detail)} problems={problemTexts(failure)} />}
      <PostForm visit={visit} to="/console/certificates/upload" files>
        <PemField
          name="certificates"
          label="Certificates"
          value={visit.form.values().certificates}
          hint={`PEM, ${MOST} at most, or one as base64 of DER. Private keys are not wanted: leave them out.`}
        />
        <button type="submit" class="primary">
          Upload
        </button>
      </PostForm>
    </>
  )
  return { title: 'Upload certificates', section: 'certificates', body }
}

/** Certificates out of what was pasted or chosen. Throws Failure('malformed'). */
function certificatesIn(text: string, file: Buffer | undefined): Buffer[] {
  if (file && file[0] === 0x30) return [file]
  const given = file?.toString('utf8') ?? text
  if (given.trim() === '') throw new Failure('malformed', 'paste a certificate, or choose a file')
  if (!given.includes('-----BEGIN')) return [derOf(given, 'a certificate')]
  const blocks = reading('malformed', () => pemDecode(given))
  if (blocks.some(({ label }) => label.includes('PRIVATE KEY')))
    throw new Failure(
      'malformed',
      'this holds a private key, which is not wanted here: leave it out, and think of it as known to others',
    )
  const found = blocks.filter(({ label }) => label === 'CERTIFICATE' || label === 'X509 CERTIFICATE')
  if (found.length === 0) throw new Failure('malformed', 'there is no certificate in it')
  if (found.length > MOST) throw new Failure('malformed', `at most ${MOST} certificates at once`)
  return found.map(({ der }) => der)
}

async function upload(visit: Visit): Promise<Response> {
  const { form, door } = visit
  const ders = certificatesIn(form.raw('certificates', 1_000_000), await form.file('file'))
  const taken: string[] = []
  const refused: { at: string; code: 'malformed'; detail: string }[] = []
  for (const [index, der] of ders.entries()) {
    try {
      taken.push((await door.inventory.upload({ der })).uuid)
    } catch (error) {
      if (!(error instanceof Failure) || error.code === 'internal' || ders.length === 1) throw error
      refused.push({ at: `certificate ${index + 1}`, code: 'malformed', detail: error.detail })
    }
  }
  if (refused.length > 0)
    throw new Failure('malformed', `${taken.length} of ${ders.length} were taken in, and these were not`, {
      problems: refused,
    })
  const [only, ...more] = taken
  if (only && more.length === 0)
    return moveOn(visit, `/console/certificates/${only}`, 'The certificate is in the inventory.')
  return moveOn(visit, '/console/certificates?source=uploaded', `${taken.length} certificates were taken in.`)
}

export const certificateUploadPages = [
  page('/certificates/upload', async (visit) => uploadPage(visit)),
  action('/certificates/upload', upload, {
    again: async (visit, failure) => uploadPage(visit, failure),
    limit: 2 * 1024 * 1024,
  }),
]
