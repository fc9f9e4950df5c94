// Looks at a model with jujulib and prints what it saw as JSON.
//
//     NODE_EXTRA_CA_CERTS=ca.pem node look.cjs ADDRESS USER PASSWORD MODEL_UUID
'use strict';

const { connectAndLogin } = require('@canonical/jujulib');
const wsclass = require('websocket').w3cwebsocket;
const facade = (name) => require(`@canonical/jujulib/dist/api/facades/${name}`).default;

async function main(address, username, password, uuid) {
  const credentials = { username, password };
  const controller = await connectAndLogin(`wss://${address}/api`, {
    closeCallback: () => {}, debug: false, facades: [facade('model-manager'), facade('pinger')], wsclass,
  }, credentials);
  const user = controller.conn.info.user.identity;
  const summaries = await controller.conn.facades.modelManager.listModelSummaries({ 'user-tag': user, all: true });
  const infos = await controller.conn.facades.modelManager.modelInfo({ entities: [{ tag: `model-${uuid}` }] });
  controller.logout();

  const model = await connectAndLogin(`wss://${address}/model/${uuid}/api`, {
    closeCallback: () => {}, debug: false, facades: [facade('client'), facade('pinger')], wsclass,
  }, credentials);
  const status = await model.conn.facades.client.fullStatus({ patterns: [] });
  model.logout();
  console.log(JSON.stringify({
    models: summaries.results.map((each) => each.result.name),
    info: infos.results[0].result,
    status,
  }));
  process.exit(0);
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
