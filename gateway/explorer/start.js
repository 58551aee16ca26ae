// Opens the explorer with a token, without which the gateway does not even show its schema. The token
// stays in this page. Requests carry it in the pane "Headers", subscriptions when they connect.
(function () {
  "use strict";

  var QUERY = [
    "query Households {",
    "  viewer { subject role divisionCode }",
    "  households(first: 5) {",
    "    totalCount",
    "    nodes { headName memberCount currentCase { state } }",
    "  }",
    "}",
    "",
  ].join("\n");

  var root = new URL(".", window.location.href);
  var socket = new URL("graphql/ws", root);
  socket.protocol = socket.protocol.replace("http", "ws");

  function open(token) {
    var headers = { authorization: "Bearer " + token };
    var fetcher = GraphiQL.createFetcher({
      url: new URL("graphql", root).href,
      wsClient: graphqlWs.createClient({
        url: socket.href,
        connectionParams: function () {
          return headers;
        },
      }),
    });
    var explorer = React.createElement(GraphiQL, {
      fetcher: function (request, options) {
        headers = (options && options.headers) || headers;
        return fetcher(request, options);
      },
      defaultQuery: QUERY,
      headers: JSON.stringify(headers, null, 2),
      defaultEditorToolsVisibility: "headers",
      shouldPersistHeaders: false,
    });
    ReactDOM.createRoot(document.getElementById("explorer")).render(explorer);
  }

  document.getElementById("token").addEventListener("submit", function (event) {
    event.preventDefault();
    var given = document.getElementById("bearer").value.trim();
    open(given.replace(/^(TOKEN=|Bearer\s+)/, ""));
  });
})();
