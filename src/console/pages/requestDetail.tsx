/** @jsxImportSource hono/jsx */
import type { RequestKind } from '../../core/approval/approval.ts'
import { page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Field, PostForm } from '../parts/form.tsx'
import { Head, Note, Panel } from '../parts/panel.tsx'
import { Facts } from '../parts/table.tsx'
import { Ago, Moment, Text, Texts } from '../parts/text.tsx'
import { actionName, protocolName, reasons, requesterKinds } from '../parts/words.ts'
import { authorityPath } from './authorityWords.ts'
import { ComparisonTable } from './comparisonTable.tsx'
import { DecisionPanel } from './requestDecision.tsx'
import { DeedPanel } from './requestDeeds.tsx'
import { type RequestFacts, requestFacts } from './requestFacts.ts'
import { HistoryPanel } from './requestHistory.tsx'

/** The page of one request, with what went wrong on the way here. */
export async function showRequest(visit: Visit, kind: RequestKind, trouble?: unknown): Promise<Shown> {
  const facts = await requestFacts(visit, kind, visit.params.ref ?? '')
  const { detail } = facts
  const title = nameOf(facts)
  const now = visit.host.clock()
  const body = (
    <>
      {trouble}
      {/* Only where it stands is live. What is decided on, and its form, stay as they were read. */}
      <div id="standing" data-live>
        <Head
          title={
            <>
              <Text value={title} most={120} /> <Badge status={detail.status} />
            </>
          }
          about={
            <>
              {actionName(detail.action)} · asked by <Text value={detail.requester} most={60} /> over{' '}
              {protocolName(detail.protocol)}
              {detail.source && ` from ${detail.source}`}, <Ago at={detail.createdAt} now={now} />
            </>
          }
        >
          {facts.record.hasCertificate && (
            <a class="button" href={`/console/certificates/${facts.record.uuid}`}>
              To the certificate
            </a>
          )}
        </Head>
      </div>
      <Notes facts={facts} />
      <div class="request">
        {kind === 'sign' ? <Asked facts={facts} /> : <Revocation facts={facts} />}
        <div class="deciders">
          <DecisionPanel visit={visit} facts={facts} />
          <DeedPanel visit={visit} facts={facts} />
          <Comments visit={visit} facts={facts} />
        </div>
        <WhoAsked facts={facts} />
      </div>
      <HistoryPanel events={facts.history} now={now} />
    </>
  )
  return { title: title.slice(0, 80), section: 'requests', body, wide: true }
}

/** The common name, else the first name, else its number. */
function nameOf({ detail, certificate }: RequestFacts): string {
  const subject = certificate?.subject.flat().find(({ type }) => type === 'CN')?.value
  const wanted = /(?:^|,)CN=((?:\\.|[^,\\+])+)/.exec(detail.wanted?.subject ?? '')?.[1]
  return subject ?? wanted ?? detail.names[0] ?? `Request ${detail.id}`
}

function Notes({ facts: { detail } }: { facts: RequestFacts }) {
  return (
    <>
      {detail.reason && (
        <Note tone={detail.status === 'canceled' ? 'plain' : 'bad'}>
          <p>
            Why: <Text value={detail.reason} most={500} />
          </p>
        </Note>
      )}
      {detail.lastError && (
        <Note tone="warn">
          <p>
            The last attempt: <Text value={detail.lastError} most={500} />
          </p>
        </Note>
      )}
      {detail.findings.length > 0 && (
        <Note tone="warn">
          <p>
            <strong>Noticed</strong>
          </p>
          <ul>
            {detail.findings.map(({ by, check, detail: text }) => (
              <li>
                <Text value={text} most={400} />{' '}
                <span class="quiet">
                  ({by} <Text value={check} most={60} />)
                </span>
              </li>
            ))}
          </ul>
        </Note>
      )}
    </>
  )
}

function Asked({ facts }: { facts: RequestFacts }) {
  const { profile, detail, authority } = facts
  return (
    <Panel
      title="Request, profile and certificate"
      id="compared"
      aside={
        <span class="quiet">
          RA profile{' '}
          {detail.profile === '' || !profile ? (
            <Text value={detail.profile || 'of the installation'} most={60} />
          ) : (
            <a href={`/console/profiles/${encodeURIComponent(detail.profile)}`}>{detail.profile}</a>
          )}
          , authority <a href={authorityPath(authority.name)}>{authority.name}</a>
        </span>
      }
    >
      <ComparisonTable compared={facts} />
      {!facts.csr && <p class="quiet">No signing request is kept with it.</p>}
    </Panel>
  )
}

function Revocation({ facts: { detail, record } }: { facts: RequestFacts }) {
  const { certificate } = detail
  return (
    <Panel title="What is to be revoked" id="revoked">
      <Facts
        rows={[
          ['Reason', reasons[detail.code ?? 'unspecified'] ?? detail.code],
          certificate && ['Subject', <Text value={certificate.subject} />],
          certificate && ['Names', <Texts values={certificate.names} most={10} />],
          certificate && [
            'Certificate',
            <a class="mono" href={`/console/certificates/${record.uuid}`}>
              {certificate.serial}
            </a>,
          ],
          certificate && ['Stands as', <Badge status={certificate.status} />],
          certificate && ['Ends', <Moment at={certificate.notAfter} only="date" />],
          ['Authority', detail.authority],
        ]}
      />
    </Panel>
  )
}

function WhoAsked({ facts: { detail, record } }: { facts: RequestFacts }) {
  const { credential } = detail
  const key = detail.key?.spkiHash
  return (
    <Panel title="Who asked, and how" id="asked">
      <Facts
        rows={[
          [
            'Requester',
            <>
              <Text value={detail.requester} />{' '}
              <span class="quiet">{requesterKinds[detail.requesterKind] ?? detail.requesterKind}</span>
            </>,
          ],
          ['Protocol', protocolName(detail.protocol)],
          detail.source !== null && ['Address', <span class="mono">{detail.source}</span>],
          credential && [
            credential.kind === 'eab' ? 'External account binding' : 'Enrolled with',
            <>
              <Text value={credential.name} /> {credential.note && <Text value={credential.note} />}
            </>,
          ],
          ['Asked', <Moment at={detail.createdAt} />],
          detail.endedAt && ['Ended', <Moment at={detail.endedAt} />],
          detail.revision > 1 && ['Revision', String(detail.revision)],
          record.renews !== undefined &&
            detail.kind === 'sign' && [
              'Renews',
              <a href={`/console/certificates/${record.renews}`}>an earlier certificate</a>,
            ],
          key && ['Key (SHA-256)', <code>{key}</code>],
        ]}
      />
    </Panel>
  )
}

function Comments({ visit, facts: { kind, detail, review } }: { visit: Visit; facts: RequestFacts }) {
  const now = visit.host.clock()
  return (
    <Panel title="Comments" id="comments">
      {review.comments.length > 0 && (
        <ul class="votes">
          {review.comments.map(({ user, text, at }) => (
            <li>
              <Text value={user} most={60} />{' '}
              <span class="quiet">
                <Ago at={at} now={now} />
              </span>
              <blockquote>
                <Text value={text} most={600} />
              </blockquote>
            </li>
          ))}
        </ul>
      )}
      <PostForm visit={visit} to={`/console/requests/${kind}/${detail.uuid}/comment`}>
        <Field name="comment" label="Comment" rows={2} maxlength={4000} required />
        <button type="submit">Add comment</button>
      </PostForm>
    </Panel>
  )
}

export const requestDetailPages = [
  page('/requests/sign/:ref', (visit) => showRequest(visit, 'sign')),
  page('/requests/revoke/:ref', (visit) => showRequest(visit, 'revoke')),
]
