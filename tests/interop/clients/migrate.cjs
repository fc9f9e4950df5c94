// Migrates a model with jujulib, or asks whether it could, and prints the controller's reply as JSON. With a last argument the
// model is connected to instead, and the error printed.
//
//     NODE_EXTRA_CA_CERTS=ca.pem node migrate.cjs ADDRESS USER PASSWORD REQUEST [look]
'use strict';

const { connectAndLogin } = require('@canonical/jujulib');
const wsclass = require('websocket').w3cwebsocket;
const facade = (name) => require(`@canonical/jujulib/dist/api/facades/${name}`).default;

async function main(address, username, password, text, look) {
  const credentials = { username, password };
  const request = JSON.parse(text);
  const options = { closeCallback: () => {}, debug: false, facades: [facade('controller'), facade('pinger')], wsclass };
  if (look) {
    const uuid = request.specs[0]['model-tag'].replace('model-', '');
    try {
      await connectAndLogin(`wss://${address}/model/${uuid}/api`, { ...options, facades: [facade('client')] }, credentials);
      console.log(JSON.stringify({ refused: '' }));
    } catch (error) {
      console.log(JSON.stringify({ refused: error.message }));
    }
    process.exit(0);
  }
  const controller = await connectAndLogin(`wss://${address}/api`, options, credentials);
  const reply = await controller.conn.facades.controller.initiateMigration(request);
  controller.logout();
  console.log(JSON.stringify(reply));
  process.exit(0);
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
