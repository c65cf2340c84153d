/** @jsxImportSource hono/jsx */
import { Failure } from '../../core/failure.ts'
import { pemEncode } from '../../pki/pem.ts'
import { cut } from '../certificateName.ts'
import { sentence } from '../failurePage.tsx'
import { page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { PostButton } from '../parts/form.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Facts } from '../parts/table.tsx'
import { Moment, Text, Texts } from '../parts/text.tsx'
import { type CertificateView, offers, readCertificateView } from './certificateView.ts'
import { Findings } from './newOutcome.tsx'

/** What has become of an order so far. It follows what others do. */
async function result(visit: Visit): Promise<Shown> {
  const uuid = visit.params.uuid ?? ''
  const view = await readCertificateView(visit, uuid)
  const body = (
    <div id="outcome" data-live>
      {view ? <Issued visit={visit} view={view} chain={await chainOf(visit, uuid)} /> : await pending(visit, uuid)}
    </div>
  )
  return { title: view ? cut(view.name) : 'Your request', section: 'certificates', body }
}

async function chainOf({ door }: Visit, uuid: string): Promise<string> {
  const { issuers } = await door.inventory.chain(uuid)
  return issuers.map(({ der }) => pemEncode('CERTIFICATE', der)).join('')
}

function Issued({ visit, view, chain }: { visit: Visit; view: CertificateView; chain: string }) {
  const { uuid, der, notAfter } = view.certificate
  const at = `/console/certificates/${uuid}`
  return (
    <>
      <Head title={cut(view.name)} about="The certificate is issued.">
        <a class="button primary" href={`${at}/download`}>
          Download certificate
        </a>
        <a class="button" href={`${at}/download?form=fullchain`}>
          With its chain
        </a>
        {offers(visit, view).pfx && <PostButton visit={visit} to={`${at}/pfx/password`} label="Download PFX" />}
        <a class="button" href={at}>
          All about it
        </a>
      </Head>
      {view.exportable && (
        <Note tone={offers(visit, view).pfx ? 'plain' : 'warn'}>
          {offers(visit, view).pfx
            ? 'The server made its private key and keeps it, sealed: the PFX has both.'
            : 'The server made its private key and keeps it, sealed: somebody with export_private_key downloads it.'}
        </Note>
      )}
      <Panel title="Certificate">
        <Facts
          rows={[
            ['Status', <Badge status={view.status} />],
            ['Names', <Texts values={view.certificate.identifiers.map(({ value }) => value)} most={8} />],
            ['Valid to', <Moment at={notAfter} />],
          ]}
        />
        <Code label="The certificate as PEM" value={pemEncode('CERTIFICATE', der)} />
      </Panel>
      {chain !== '' && (
        <Panel title="Chain">
          <Code label="The issuers above it as PEM" value={chain} />
        </Panel>
      )}
    </>
  )
}

async function pending(visit: Visit, uuid: string) {
  const { request, profile } = await visit.door.list.record(uuid)
  const { status, reason, lastError, wanted, findings } = request
  const waits = status === 'requested' ? await whoDecides(visit, uuid) : []
  const ended = request.endedAt !== undefined
  return (
    <>
      <Head title="Your request" about={titleOf(status)}>
        <a class="button" href={`/console/requests/sign/${request.uuid}`}>
          See the request
        </a>
        {ended && profile && (
          <a class="button primary" href={`/console/new/${encodeURIComponent(profile.name)}`}>
            Ask again
          </a>
        )}
      </Head>
      {ended && <Note tone="bad">{reason === undefined ? 'No reason was given.' : sentence(reason)}</Note>}
      {status === 'requested' && (
        <Note tone="warn">
          It waits for {waits.length === 0 ? 'somebody who may approve it' : <Texts values={waits} most={8} />}. This
          page follows what becomes of it.
        </Note>
      )}
      {status === 'signing' && lastError !== undefined && (
        <Note tone="warn">
          The last attempt failed, and there will be another: <Text value={lastError} most={300} />
        </Note>
      )}
      <Findings findings={findings} />
      <Panel title="Request">
        <Facts
          rows={[
            ['Status', <Badge status={status} />],
            ['Names', <Texts values={wanted.identifiers.map(({ value }) => value)} most={8} />],
            profile && ['Profile', <Text value={profile.name} />],
            ['Asked at', <Moment at={request.createdAt} />],
          ]}
        />
      </Panel>
    </>
  )
}

function titleOf(status: string): string {
  if (status === 'requested') return 'It waits for approval.'
  if (status === 'signing') return 'It is approved, and the certificate is being made.'
  if (status === 'draft') return 'It is parked.'
  return 'There will be no certificate.'
}

/** Who could approve it, where the reader may know. */
async function whoDecides({ door }: Visit, uuid: string): Promise<string[]> {
  try {
    return (await door.approvals.review('sign', uuid)).mayApprove
  } catch (error) {
    if (error instanceof Failure && (error.code === 'forbidden' || error.code === 'notFound')) return []
    throw error
  }
}

export const newResultPages = [page('/new/done/:uuid', result)]
