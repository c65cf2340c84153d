import { built, type FeatureTopic } from './feature.ts'

const listed = 'ra-attributes: are listed with their types, labels, choices and constraints'
const wrong = 'ra-attributes: that do not fit are 422 with a sentence for each: %s'
const fit = 'ra-attributes: that fit are 200 without a body'
const toRevoke = 'ra-attributes: are listed, validated, and asked of who revokes'
const types = 'ra-attributes: takes %s as the contract writes it, and nothing else'
const shown = 'ra-attributes: choose what the profile leaves open, and are shown with the order, but no secret'

const listedRich = 'ra-questions: are listed with what they show, what holds, and how to ask what depends on them'
const refusedRich = 'ra-questions: refuse %s'
const keptRich =
  'ra-questions: are kept with the order, defaults too, items of v3 with their type; of a credential only which'

export const attributes: FeatureTopic = {
  title: 'Attributes of an RA profile',
  features: [
    built(
      'List issue attributes',
      'What a client fills in to order through this profile',
      'Validity and variant where the profile leaves them open, then what it asks for besides.',
      listed,
    ),
    built(
      'List issue attributes',
      'As the CA’s schema is at present',
      'As the RA profile is at present. Here it holds the schema in place of its authority: what its certificate settings leave open, and what it asks for besides.',
      'ra-attributes: are those of the profile as it is now, under the same uuids',
    ),
    built('List revoke attributes', 'What a client fills in to revoke', 'What the profile asks for.', toRevoke),
    built(
      'Validate issue attributes',
      'A set is held against the schema before it is submitted',
      'And again when it is submitted.',
      fit,
      wrong,
      'ra-attributes: that do not fit are all told of at once, and order nothing',
    ),
    built(
      'Validate issue attributes',
      '422 with a list of messages where they are not acceptable',
      'A sentence for each fault, all at once.',
      wrong,
      'ra-attributes: that do not fit are all told of at once, and order nothing',
    ),
    built('Validate revoke attributes', 'The same for a revocation', 'So.', toRevoke),
    built(
      'Attributes: path',
      '`authorityUuid` and `raProfileUuid`',
      'As of issue.',
      'ra-attributes: are not shown to another organization, nor to nobody',
    ),
    built(
      'Attributes: error',
      'An error has `message`',
      '422 a list, all others a message; each answer of the tests is held against that.',
      'ra-attributes: must be one of the contract',
    ),
  ],
}

export const requestAttribute: FeatureTopic = {
  title: 'An attribute that a client sends',
  features: [
    built('RequestAttribute', '`uuid`, required', 'May be left out: the name counts.', fit, wrong),
    built('RequestAttribute', '`name`, required', 'So.', 'ra-attributes: must be one of the contract', wrong),
    built(
      'RequestAttribute',
      '`contentType`, required: one of fourteen',
      'May be left out; another one than the schema’s is 422, one that there is not is 400.',
      wrong,
      'ra-attributes: must be one of the contract',
    ),
    built(
      'RequestAttribute',
      '`content`: items of a form for each content type',
      'All fourteen. What a credential or a resource names is not looked up; of a credential only uuid, name and kind are kept.',
      types,
      keptRich,
    ),
    built(
      'RequestAttribute',
      'An item of the content has `data`, and may have `reference` and `contentType`',
      'So.',
      fit,
      types,
    ),
    built(
      'RequestAttribute',
      '`version`, required: v2 or v3',
      'Without it, v2.',
      fit,
      shown,
      'ra-detail: has the request as it came, with the attributes of its CSR, before there is a certificate too',
    ),
    built(
      'ResponseAttribute',
      '`uuid`, `name`, `label`, `type`, `contentType`, `content`, `version`',
      'As it was filled in; secrets are left out.',
      shown,
      'ra-detail: has the custom attributes, metadata, owner and groups, which pass to what renews it',
    ),
  ],
}

export const attributeSchema: FeatureTopic = {
  title: 'An entry of a schema',
  features: [
    built(
      'BaseAttribute',
      '`uuid`, `name`, `description`, `version`',
      'The uuid is the same for ever; the version is 2.',
      listed,
      'ra-attributes: are those of the profile as it is now, under the same uuids',
    ),
    built(
      'BaseAttribute',
      '`type`',
      '`data` is answered, `info` read, `group` brings further questions.',
      listed,
      listedRich,
      refusedRich,
    ),
    built('BaseAttribute', '`contentType`', 'All fourteen; a group has none.', listed, types, listedRich),
    built(
      'BaseAttribute',
      '`content`: what may be chosen, or a default',
      'The choices, or else the default, which holds where nothing is answered.',
      listed,
      wrong,
      listedRich,
      keptRich,
    ),
    built(
      'BaseAttribute',
      '`properties`: label, visible, group, required, readOnly, list, multiSelect, protectionLevel, resource, extensibleList',
      'As the profile says; what is only read takes no other answer, and an extensible list others than its choices.',
      listed,
      wrong,
      listedRich,
      refusedRich,
      keptRich,
    ),
    built(
      'BaseAttribute',
      '`constraints`: type, description, errorMessage, data',
      'regExp, range and dateTime, with a message of one’s own.',
      listed,
      wrong,
    ),
    built(
      'BaseAttribute',
      '`attributeCallback`: what one answer makes of another question',
      'POST `/v1/raProfiles/{uuid}/callback` answers the choices, or for a group its questions; an order is held against the same.',
      listedRich,
      'ra-questions: say by their callback what an answer makes of another question',
      refusedRich,
      keptRich,
    ),
  ],
}
