// Requests carry the headers of the pane "Headers"; subscriptions send the same token when they connect.
(function () {
  "use strict";

  var QUERY = [
    "# 把令牌填入下方 Headers:  {\"authorization\": \"Bearer …\"}",
    "# Paste the token into Headers below; `backstop token` makes others.",
    "query Households {",
    "  viewer { subject role divisionCode }",
    "  households(first: 5) {",
    "    totalCount",
    "    nodes { householdNo headName memberCount }",
    "  }",
    "}",
    "",
  ].join("\n");

  var headers = {};
  var root = new URL(".", window.location.href);
  var socket = new URL("graphql/ws", root);
  socket.protocol = socket.protocol.replace("http", "ws");

  var fetcher = GraphiQL.createFetcher({
    url: new URL("graphql", root).href,
    wsClient: graphqlWs.createClient({
      url: socket.href,
      connectionParams: function () {
        return headers;
      },
    }),
  });

  function fetch(request, options) {
    headers = (options && options.headers) || {};
    return fetcher(request, options);
  }

  ReactDOM.createRoot(document.getElementById("explorer")).render(
    React.createElement(GraphiQL, {
      fetcher: fetch,
      defaultQuery: QUERY,
      defaultHeaders: '{\n  "authorization": "Bearer "\n}\n',
      defaultEditorToolsVisibility: "headers",
      shouldPersistHeaders: false,
    })
  );
})();
