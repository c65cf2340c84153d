/** @jsxImportSource hono/jsx */
import { pemEncode } from '../../pki/pem.ts'
import { cut } from '../certificateName.ts'
import { algorithmWord, digestWord, purposeWord } from '../certificateWords.ts'
import { page, type Shown, type Visit } from '../page.ts'
import { Badge } from '../parts/badge.tsx'
import { Chain } from '../parts/chain.tsx'
import { Days } from '../parts/days.tsx'
import { PostButton } from '../parts/form.tsx'
import { Hex } from '../parts/hex.tsx'
import { Code, Head, Note, Panel } from '../parts/panel.tsx'
import { Facts } from '../parts/table.tsx'
import { Moment, Text, Texts } from '../parts/text.tsx'
import { protocolName, reasons, requesterKinds } from '../parts/words.ts'
import { moveOn } from '../told.ts'
import { Attributes, Extensions, Requests, Standing, Successions, Use } from './certificatePanels.tsx'
import {
  type CertificateView,
  offers,
  readCertificateView,
  readChain,
  readRelations,
  readRevocations,
} from './certificateView.ts'
import { HistoryPanel } from './requestHistory.tsx'

async function detail(visit: Visit): Promise<Shown | Response> {
  const uuid = visit.params.uuid ?? ''
  const view = await readCertificateView(visit, uuid)
  if (!view) return moveOn(visit, `/console/requests/sign/${encodeURIComponent(uuid)}`)
  const { door, host } = visit
  const [chain, relations, sightings, history] = await Promise.all([
    readChain(visit, view),
    readRelations(visit, uuid),
    door.discovery.sightings(uuid),
    door.list.history(uuid),
  ])
  const revocations = await readRevocations(visit, history)
  await door.inventory.opened(uuid)
  const now = host.clock()
  const body = (
    <>
      <Head title={cut(view.name)} about={<StatusLine view={view} now={now} />}>
        <Actions visit={visit} view={view} />
      </Head>
      <Warnings view={view} now={now} />
      <div class="columns">
        <div>
          <Panel title="Certificate">
            <Fields view={view} now={now} />
          </Panel>
          <Panel title="Download">
            <Downloads visit={visit} view={view} />
          </Panel>
        </div>
        <div>
          <Panel title="Chain">
            <Chain links={chain.links} issuer={chain.missing} now={now} />
          </Panel>
          <Panel title="Belongs to" aside={offers(visit, view).manage && <EditLink uuid={uuid} />}>
            <Belonging view={view} />
          </Panel>
          <Standing visit={visit} view={view} />
          <Successions relations={relations} />
          <Requests view={view} revocations={revocations} />
          <Attributes view={view} />
        </div>
      </div>
      <Use view={view} sightings={sightings} now={now} />
      <Extensions der={view.certificate.der} />
      <Panel title="PEM">
        <Code label="The certificate as PEM" value={pemEncode('CERTIFICATE', view.certificate.der)} />
      </Panel>
      <HistoryPanel events={history} now={now} />
    </>
  )
  return { title: cut(view.name), section: 'certificates', body, wide: true }
}

function StatusLine({ view, now }: { view: CertificateView; now: Date }) {
  const { certificate, status } = view
  return (
    <>
      <Badge status={status} /> <Days at={certificate.notAfter} now={now} quiet={status === 'revoked'} />
    </>
  )
}

function EditLink({ uuid }: { uuid: string }) {
  return <a href={`/console/certificates/${uuid}/edit`}>Change</a>
}

function Actions({ visit, view }: { visit: Visit; view: CertificateView }) {
  const { uuid } = view.certificate
  const at = `/console/certificates/${uuid}`
  const { renew, revoke, hold, unhold, manage } = offers(visit, view)
  const archived = view.entry.item.archivedAt !== undefined
  return (
    <>
      <a class="button" href={`${at}/download`}>
        Download certificate
      </a>
      {renew && (
        <a class="button" href={`${at}/renew`}>
          Renew
        </a>
      )}
      {renew && (
        <a class="button" href={`${at}/rekey`}>
          Rekey
        </a>
      )}
      {unhold && <PostButton visit={visit} to={`${at}/unhold`} label="Lift the hold" />}
      {hold && (
        <PostButton visit={visit} to={`${at}/revoke/code`} label="Put on hold" fields={{ reason: 'certificateHold' }} />
      )}
      {manage && (
        <PostButton
          visit={visit}
          to={`${at}/${archived ? 'unarchive' : 'archive'}`}
          label={archived ? 'Bring back' : 'Archive'}
        />
      )}
      {revoke && <PostButton visit={visit} to={`${at}/revoke/code`} label="Revoke certificate" kind="danger" />}
    </>
  )
}

function Warnings({ view, now }: { view: CertificateView; now: Date }) {
  const { record, certificate, status, entry } = view
  const { revocation } = record
  return (
    <>
      {status === 'revoked' && (
        <Note tone="bad">
          Revoked
          {certificate.revokedAt && (
            <>
              {' '}
              on <Moment at={certificate.revokedAt} />
            </>
          )}
          : {reasons[certificate.revocationReason ?? 'unspecified'] ?? certificate.revocationReason}. It is not to be
          trusted any more.
        </Note>
      )}
      {status === 'hold' && (
        <Note tone="warn">
          On hold
          {certificate.revokedAt && (
            <>
              {' '}
              since <Moment at={certificate.revokedAt} />
            </>
          )}
          : not to be trusted until the hold is lifted, and not for ever either: revoke it when it stays so.
        </Note>
      )}
      {revocation && (
        <Note tone="warn">
          {revocation.code === 'removeFromCRL' ? 'Lifting its hold' : 'A revocation'}{' '}
          {revocation.status === 'requested' ? 'waits for approval' : 'is under way'}:{' '}
          <a href={`/console/requests/revoke/${revocation.uuid}`}>see the request</a>.
        </Note>
      )}
      {entry.item.archivedAt && (
        <Note>
          Archived on <Moment at={entry.item.archivedAt} />: lists leave it out.
        </Note>
      )}
      {status === 'expired' && certificate.notAfter <= now && (
        <Note tone="warn">Its time is over: renew it where it is still in use.</Note>
      )}
    </>
  )
}

function Fields({ view, now }: { view: CertificateView; now: Date }) {
  const { facts, certificate, record, status } = view
  const { request, profile, authority } = record
  const names = Object.entries(facts.alternativeNames).flatMap(([, values]) => values ?? [])
  return (
    <Facts
      rows={[
        [
          'Common name',
          facts.commonName === undefined ? <span class="quiet">none</span> : <Text value={facts.commonName} />,
        ],
        ['Subject alternative names', <Texts values={names} most={8} />],
        ['Subject', <Text value={facts.subject || 'empty'} />],
        ['Issuer', <Text value={facts.issuer} />],
        !authority.name.startsWith('@') && [
          'Authority',
          <a href={`/console/authorities/${authority.uuid}`}>{cut(authority.name)}</a>,
        ],
        profile && [
          'RA profile',
          <a href={`/console/profiles/${encodeURIComponent(profile.name)}`}>{cut(profile.name)}</a>,
        ],
        ['Algorithm', algorithmWord(facts)],
        ['Digest', digestWord(facts.signatureAlgorithm)],
        ['Valid from', <Moment at={facts.notBefore} />],
        ['Valid to', <Moment at={facts.notAfter} />],
        ['Days until expiry', <Days at={facts.notAfter} now={now} quiet={status === 'revoked'} />],
        ['Status', <Badge status={status} />],
        ['Source', certificate.source],
        ['Fingerprint (SHA-256)', <Hex value={certificate.fingerprint} />],
        ['Serial number', <Hex value={facts.serial} />],
        facts.keyUsage.length > 0 && ['Key usage', facts.keyUsage.join(', ')],
        facts.extendedKeyUsage.length > 0 && ['Purposes', facts.extendedKeyUsage.map(purposeWord).join(', ')],
        [
          certificate.source === 'managed' ? 'Asked for by' : 'Made known by',
          <>
            <Text value={request.requester.name} /> ({requesterKinds[request.requester.kind] ?? request.requester.kind},{' '}
            {protocolName(request.protocol)}
            {request.requester.source === undefined ? '' : `, from ${request.requester.source}`})
          </>,
        ],
        ['Asked for at', <Moment at={request.createdAt} />],
      ]}
    />
  )
}

function Belonging({ view }: { view: CertificateView }) {
  const { owner, groups, trustedCa } = view.entry
  return (
    <Facts
      rows={[
        ['Owner', owner ? <Text value={owner.name} /> : <span class="quiet">nobody</span>],
        ['Groups', <Texts values={groups.map(({ name }) => name)} />],
        trustedCa !== undefined && ['As a CA', trustedCa ? 'trusted here' : 'not trusted here'],
      ]}
    />
  )
}

function Downloads({ visit, view }: { visit: Visit; view: CertificateView }) {
  const at = `/console/certificates/${view.certificate.uuid}`
  const { exportable, keyPair } = view
  return (
    <>
      <ul class="downloads">
        <li>
          <a href={`${at}/download`}>PEM</a> <span class="quiet">.crt: what most servers take</span>
        </li>
        <li>
          <a href={`${at}/download?form=der`}>DER</a> <span class="quiet">.cer</span>
        </li>
        <li>
          <a href={`${at}/download?form=fullchain`}>PEM with its chain</a> <span class="quiet">.pem</span>
        </li>
        <li>
          <a href={`${at}/download?form=chain`}>The chain alone</a> <span class="quiet">.pem</span>
        </li>
        <li>
          <a href={`${at}/download?form=p7b`}>PKCS #7 with its chain</a> <span class="quiet">.p7b</span>
        </li>
      </ul>
      {offers(visit, view).pfx ? (
        <PostButton visit={visit} to={`${at}/pfx/password`} label="Download PFX with the private key" />
      ) : (
        <p class="hint">
          {exportable
            ? 'Its private key is kept here. To download it needs export_private_key.'
            : keyPair
              ? 'Its private key is in the keystore, which no key leaves.'
              : 'Its private key is with whoever made it: there is no PFX.'}
        </p>
      )}
    </>
  )
}

export const certificateDetailPages = [page('/certificates/:uuid', detail)]
