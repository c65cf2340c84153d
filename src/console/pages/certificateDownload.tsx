/** @jsxImportSource hono/jsx */

import { Failure } from '../../core/failure.ts'
import type { DownloadForm } from '../../core/inventory/inventoryContent.ts'
import { cut, downloadName, fileResponse } from '../certificateName.ts'
import { action, page, type Shown, type Visit } from '../page.ts'
import { PostForm } from '../parts/form.tsx'
import { Code, Head, Note } from '../parts/panel.tsx'
import { type CertificateView, readCertificateView } from './certificateView.ts'

interface Form {
  written: DownloadForm
  suffix: string
  type: string
}

const forms: Readonly<Record<string, Form>> = {
  pem: { written: { format: 'raw', encoding: 'pem', chain: 'none' }, suffix: '.crt', type: 'application/x-pem-file' },
  der: { written: { format: 'raw', encoding: 'der', chain: 'none' }, suffix: '.cer', type: 'application/pkix-cert' },
  chain: {
    written: { format: 'raw', encoding: 'pem', chain: 'above' },
    suffix: '-chain.pem',
    type: 'application/x-pem-file',
  },
  fullchain: {
    written: { format: 'raw', encoding: 'pem', chain: 'whole' },
    suffix: '-fullchain.pem',
    type: 'application/x-pem-file',
  },
  p7b: {
    written: { format: 'pkcs7', encoding: 'der', chain: 'whole' },
    suffix: '.p7b',
    type: 'application/x-pkcs7-certificates',
  },
}

/** The certificate of a path. Throws Failure('notFound') also while there is none yet. */
export async function certificateIn(visit: Visit): Promise<CertificateView> {
  const view = await readCertificateView(visit, visit.params.uuid ?? '')
  if (!view) throw new Failure('notFound', 'there is no certificate yet: its request has not come so far')
  return view
}

async function download(visit: Visit): Promise<Response> {
  const { certificate, name } = await certificateIn(visit)
  const wanted = visit.query.get('form') ?? 'pem'
  const form = Object.hasOwn(forms, wanted) ? forms[wanted] : undefined
  if (!form) throw new Failure('notFound', `a certificate is downloaded as ${Object.keys(forms).join(', ')}`)
  const content = await visit.door.inventory.download(certificate.uuid, form.written)
  return fileResponse(content, { name: downloadName(name, form.suffix), type: form.type })
}

/** The password, shown before the file is made: it is in this page and nowhere else. */
async function pfxPassword(visit: Visit): Promise<Shown> {
  const view = await certificateIn(visit)
  if (!view.exportable)
    throw new Failure('unsupported', 'the private key of this certificate is not kept here: there is no PFX of it')
  const { profile } = view.record
  if (profile && (await visit.door.raProfiles.find(profile.uuid)).rules.export.length > 0)
    throw new Failure(
      'unsupported',
      `the profile ${profile.name} has rules for exports, so that no key of it is downloaded`,
    )
  const password = visit.door.admin.newPfxPassword()
  const back = `/console/certificates/${view.certificate.uuid}`
  const body = (
    <>
      <Head title="Download PFX" about={cut(view.name)} />
      <Note tone="warn">
        Copy the password now. It is not stored, and cannot be shown again once you leave this page.
      </Note>
      <Code label="Password of the PFX file" value={password} />
      <PostForm visit={visit} to={`${back}/pfx`}>
        <input type="hidden" name="password" value={password} />
        <p class="hint">The file holds the certificate, its chain and its private key. The download is recorded.</p>
        <p class="after-form">
          <button type="submit" class="primary">
            Download
          </button>
          <a href={back}>Back to the certificate</a>
        </p>
      </PostForm>
    </>
  )
  return { title: 'Download PFX', section: 'certificates', body }
}

async function pfx(visit: Visit): Promise<Response> {
  const { certificate, name } = await certificateIn(visit)
  const { pkcs12 } = await visit.door.admin.exportPfx({ id: certificate.id }, visit.form.raw('password', 100))
  return fileResponse(pkcs12, { name: downloadName(name, '.pfx'), type: 'application/x-pkcs12' })
}

export const certificateDownloadPages = [
  page('/certificates/:uuid/download', download),
  action('/certificates/:uuid/pfx/password', pfxPassword),
  action('/certificates/:uuid/pfx', pfx),
]
